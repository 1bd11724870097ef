import { type Count, countOf } from '../measure/count.ts'
import type { Entry, HttpSubject, Lab } from '../measure/lab.ts'
import type { Measured } from '../measure/publish.ts'
import type { Sample } from '../measure/subject.ts'
import { type Broker, benchGroup } from './broker.ts'
import { type ClientSubject, startClient, startGateway } from './contest.ts'
import { batchTask, measure, warm } from './publish.ts'

/** Its latencies are those of a whole backlog. */
export const consumeSection = 'consume to ack'
const topic = 'consume'
const port = new URL('./port.ts', import.meta.url)
const pulls = { connections: 4, max: 100 }

type Consumer = 'client' | 'port' | 'http'

/**
 * From a backlog to the last acknowledgement: the client alone, the adapter without HTTP, and pulling and settling over
 * HTTP. Events come from the gateway, so that all read the same. Each has a group of its own where a topic may have
 * several; where it has one queue, they empty it in turn. Nothing is measured where a broker cannot say what is left.
 */
export async function consume(lab: Lab, broker: Broker): Promise<Measured> {
  if (broker.unsettled === undefined) return { rows: [], counts: [] }
  const groups = new Groups(broker)
  const gateway = await startGateway(lab, broker, topic, groups.all)
  const clients: Record<'client' | 'port', ClientSubject> = {
    client: startClient(lab, broker, topic),
    port: startClient(lab, broker, topic, { script: port, kind: 'port' }),
  }
  const { seconds } = lab.options
  const round = (who: Consumer, take: (events: number) => Promise<Sample>) => async (): Promise<Sample> => {
    if (groups.due(who, gateway) === 0) await gateway.run(batchTask(seconds))
    const events = groups.due(who, gateway)
    const sample = await take(events)
    groups.took(who, sample.outcome.events)
    return sample
  }
  const own = (who: 'client' | 'port'): Entry => {
    const group = groups.of(who)
    const run = (events: number) => clients[who].run({ kind: 'consume', topic, group, events, seconds: 0 })
    return { kind: who, round: round(who, run) }
  }
  const path = `/v1/topics/bench/groups/${groups.of('http')}`
  const http = (events: number) => gateway.run({ kind: 'pull', path, events, seconds: 0, ...pulls })
  const entries = [own('client'), own('port'), { kind: gateway.kind, round: round('http', http) }]
  try {
    await warm(lab, entries)
    const rows = await measure(lab, consumeSection, [{ name: 'a backlog', bases: ['client'], entries }])
    // What a consumer was given beyond its number goes back when it is gone.
    await stopAll(gateway, clients)
    return { rows, counts: await groups.counts(gateway, (group) => broker.unsettled!(topic, group)) }
  } finally {
    await stopAll(gateway, clients)
    await broker.remove(topic)
  }
}

async function stopAll(gateway: HttpSubject, clients: Record<string, ClientSubject>): Promise<void> {
  await gateway.server.stop()
  for (const { server } of Object.values(clients)) await server.stop()
}

/** Whose group is which, and what each has taken. */
class Groups {
  readonly #groups: Broker['groups']
  readonly #taken = new Map<string, number>()

  constructor({ groups }: Broker) {
    this.#groups = groups
  }

  get all(): string[] {
    return this.#groups === 'one' ? [benchGroup] : ['client', 'port', 'http']
  }

  of(who: Consumer): string {
    return this.#groups === 'one' ? benchGroup : who
  }

  /** What was acknowledged to the publisher, and not taken yet. */
  due(who: Consumer, { acknowledged }: HttpSubject): number {
    return acknowledged - (this.#taken.get(this.of(who)) ?? 0)
  }

  took(who: Consumer, events: number): void {
    const group = this.of(who)
    this.#taken.set(group, (this.#taken.get(group) ?? 0) + events)
  }

  /** What is acknowledged is not there any more: a group has lost what was published by as much as it took, and no less. */
  counts({ sent }: HttpSubject, unsettled: (group: string) => Promise<number>): Promise<Count[]> {
    return Promise.all(
      [...this.#taken].map(async ([group, acknowledged]) => {
        return countOf(topic, { kind: group, sent, acknowledged }, sent - (await unsettled(group)))
      }),
    )
  }
}
