import type { Lab } from '../measure/lab.ts'
import type { Broker, Start } from './broker.ts'

/** Each is loaded with its client only where it is measured. */
const known = {
  rabbitmq: async () => (await import('./rabbitmq/broker.ts')).start,
  kafka: async () => (await import('./kafka/broker.ts')).start(1),
  kafka3: async () => (await import('./kafka/broker.ts')).start(3),
} as const satisfies Record<string, () => Promise<Start>>

export type BrokerName = keyof typeof known
export const brokerNames = Object.keys(known) as readonly BrokerName[]

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
