import { JobProcess } from '../load.ts'
import { type Count, countOf } from '../measure/count.ts'
import type { Entry, HttpSubject, Lab } from '../measure/lab.ts'
import { type Contender, type Sample, Subject, type Task } from '../measure/subject.ts'
import { type Broker, benchGroup } from './broker.ts'
import { makeGroup } from './group.ts'
import type { ClientJob, ClientTask } from './job.ts'

type Kind = 'ceiling' | 'gateway' | 'one' | 'client'
export type ClientSubject = Subject<Contender, ClientTask>

/** Who takes part in a section, each publishing to a topic of its own, and the entries of a round. */
export class Contest {
  readonly #lab: Lab
  readonly #broker: Broker
  readonly #name: string
  readonly #http = new Map<Kind, HttpSubject>()
  readonly #removed = new Map<Kind, number>()
  #client: ClientSubject | undefined

  private constructor(lab: Lab, broker: Broker, name: string) {
    this.#lab = lab
    this.#broker = broker
    this.#name = name
  }

  /** Afterwards nothing of it is left. The counts are of what every topic holds then. */
  static async hold<T>(
    lab: Lab,
    broker: Broker,
    name: string,
    kinds: readonly Kind[],
    use: (contest: Contest) => Promise<T>,
  ): Promise<{ result: T; counts: readonly Count[] }> {
    const contest = new Contest(lab, broker, name)
    try {
      for (const kind of kinds) await contest.#start(kind)
      const result = await use(contest)
      return { result, counts: await contest.#counts() }
    } finally {
      await contest.#end()
    }
  }

  get gateway(): HttpSubject {
    return this.#http.get('gateway')!
  }

  /** A round of HTTP for each of `kinds`. */
  http(task: Task, ...kinds: readonly Kind[]): Entry[] {
    return kinds.map((kind) => {
      const subject = this.#http.get(kind)!
      return { kind: subject.kind, round: () => this.#kept(kind, subject.run(task)) }
    })
  }

  own(task: ClientTask): Entry {
    return { kind: 'client', round: () => this.#kept('client', this.#client!.run(task)) }
  }

  /** What a round has published is counted and removed, where the next would be slower for it. */
  async #kept(kind: Kind, round: Promise<Sample>): Promise<Sample> {
    const sample = await round
    const topic = this.topic(kind)
    if (this.#broker.empty !== undefined && kind !== 'ceiling') {
      this.#removed.set(kind, (this.#removed.get(kind) ?? 0) + (await this.#broker.stored(topic)))
      await this.#broker.empty(topic)
    }
    return sample
  }

  topic(kind: Kind): string {
    return `${this.#name}-${kind}`
  }

  async #start(kind: Kind): Promise<void> {
    const broker = this.#broker
    const topic = this.topic(kind)
    const brokerCpu = cpuOf(broker)
    if (kind === 'ceiling') {
      this.#http.set(kind, await this.#lab.start(kind))
    } else if (kind === 'gateway') {
      this.#http.set(kind, await startGateway(this.#lab, broker, topic))
    } else {
      await broker.create(topic)
      if (kind === 'one') this.#http.set(kind, await this.#lab.start(kind, { one: broker.one!(topic) }, brokerCpu))
      else this.#client = startClient(this.#lab, broker, topic)
    }
  }

  get #publishing(): (readonly [Kind, HttpSubject | ClientSubject])[] {
    const served = [...this.#http].filter(([kind]) => kind !== 'ceiling')
    return this.#client === undefined ? served : [...served, ['client', this.#client]]
  }

  #counts(): Promise<Count[]> {
    return Promise.all(
      this.#publishing
        .filter(([, { sent }]) => sent > 0)
        .map(async ([kind, subject]) => {
          const stored = await this.#broker.stored(this.topic(kind))
          return countOf(this.#name, subject, stored + (this.#removed.get(kind) ?? 0))
        }),
    )
  }

  async #end(): Promise<void> {
    const topics = this.#publishing.map(([kind]) => this.topic(kind))
    for (const { server } of this.#http.values()) await server.stop()
    await this.#client?.server.stop()
    for (const topic of topics) await this.#broker.remove(topic)
  }
}

/** Over a topic of this broker, which it makes itself. */
export async function startGateway(
  lab: Lab,
  broker: Broker,
  topic: string,
  groups: readonly string[] = broker.isLog ? [] : [benchGroup],
): Promise<HttpSubject> {
  const { entry, ensure, type } = broker
  const gateway = await lab.start(type, { broker: { entry, topic, ensure } }, cpuOf(broker))
  for (const group of groups) await makeGroup(gateway.server.port, group, lab.options.token)
  return gateway
}

/** The client library alone; `script` may be another that does as it does. */
export function startClient(
  lab: Lab,
  broker: Broker,
  topic: string,
  { script, kind }: { script: URL; kind: 'client' | 'port' } = { script: broker.client, kind: 'client' },
): ClientSubject {
  const jobs = new JobProcess<ClientJob>(script, lab.releases)
  const contender: Contender = { kind, usage: () => jobs.usage(), stop: () => jobs.stop() }
  const brokerCpu = cpuOf(broker)
  return new Subject(contender, {
    // What it reads may be another's topic.
    run: (task) => jobs.run({ ...task, entry: broker.entry, topic: task.kind === 'consume' ? task.topic : topic }),
    own: true,
    ...(brokerCpu !== undefined && { brokerCpu }),
  })
}

function cpuOf(broker: Broker): (() => number) | undefined {
  return broker.cpuSeconds() === undefined ? undefined : () => broker.cpuSeconds() ?? 0
}
