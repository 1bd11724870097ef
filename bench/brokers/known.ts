import type { Lab } from '../measure/lab.ts'
import type { BrokerName } from '../options.ts'
import type { Broker, Start } from './broker.ts'

/** Each is loaded with its client only where it is measured. */
const known: Record<BrokerName, () => Promise<Start>> = {
  rabbitmq: async () => (await import('./rabbitmq/broker.ts')).start,
  sqs: async () => (await import('./sqs/broker.ts')).start,
  sns: async () => (await import('./sqs/sns.ts')).start,
  nats: async () => (await import('./nats/broker.ts')).start(1),
  nats3: async () => (await import('./nats/broker.ts')).start(3),
  kafka: async () => (await import('./kafka/broker.ts')).start(1),
  kafka3: async () => (await import('./kafka/broker.ts')).start(3),
}

/** A broker of its own for one measurement; it ends with `stop`, or with everything else that the lab started. */
export interface Started {
  readonly name: BrokerName
  readonly broker: Broker
  stop(): Promise<void>
}

export async function startBroker(lab: Lab, name: BrokerName): Promise<Started> {
  const start = await known[name]()
  const broker = await start((line) => lab.progress(`${name} · ${line}`))
  const stop = lab.releases.add(() => broker.stop())
  return { name, broker, stop: async () => stop() }
}
