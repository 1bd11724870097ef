import { JobProcess } from '../load.ts'
import { type Count, countOf } from '../measure/count.ts'
import type { Entry, HttpSubject, Lab } from '../measure/lab.ts'
import { type Contender, Subject, type Task } from '../measure/subject.ts'
import type { Cluster } from './cluster.ts'
import type { ClientJob, ClientTask } from './job.ts'

type Kind = 'ceiling' | 'kafka' | 'one' | 'client'

/** Who takes part in a section, each publishing to a topic of its own, and the entries of a round. */
export class Contest {
  readonly #lab: Lab
  readonly #cluster: Cluster
  readonly #name: string
  readonly #http = new Map<Kind, HttpSubject>()
  #client: Subject<Contender, ClientTask> | undefined

  private constructor(lab: Lab, cluster: Cluster, name: string) {
    this.#lab = lab
    this.#cluster = cluster
    this.#name = name
  }

  /** Afterwards nothing of it is left. The counts are of what every topic holds then. */
  static async hold<T>(
    lab: Lab,
    cluster: Cluster,
    name: string,
    kinds: readonly Kind[],
    use: (contest: Contest) => Promise<T>,
  ): Promise<{ result: T; counts: readonly Count[] }> {
    const contest = new Contest(lab, cluster, name)
    try {
      for (const kind of kinds) await contest.#start(kind)
      const result = await use(contest)
      return { result, counts: await contest.#counts() }
    } finally {
      await contest.#end()
    }
  }

  get gateway(): HttpSubject {
    return this.#http.get('kafka')!
  }

  get client(): Subject<Contender, ClientTask> {
    return this.#client!
  }

  /** A round of HTTP for each of `kinds`. */
  http(task: Task, ...kinds: readonly Kind[]): Entry[] {
    return kinds.map((kind) => ({ kind, round: () => this.#http.get(kind)!.run(task) }))
  }

  own(task: ClientTask): Entry {
    return { kind: 'client', round: () => this.client.run(task) }
  }

  topic(kind: Kind): string {
    return `${this.#name}-${kind}`
  }

  async #start(kind: Kind): Promise<void> {
    const brokerCpu = () => this.#cluster.cpuSeconds()
    const kafka = this.#cluster.at(this.topic(kind))
    if (kind === 'client') {
      await this.#cluster.create(kafka.topic)
      this.#client = startClient(this.#lab, this.#cluster, kafka.topic)
      return
    }
    if (kind === 'one') await this.#cluster.create(kafka.topic)
    this.#http.set(kind, await this.#lab.start(kind, { kafka }, kind === 'ceiling' ? undefined : brokerCpu))
  }

  get #publishing(): (HttpSubject | Subject<Contender, ClientTask>)[] {
    const served = [...this.#http.values()].filter(({ kind }) => kind !== 'ceiling')
    return this.#client === undefined ? served : [...served, this.#client]
  }

  #counts(): Promise<Count[]> {
    return Promise.all(
      this.#publishing
        .filter(({ sent }) => sent > 0)
        .map(async (subject) =>
          countOf(this.#name, subject, await this.#cluster.stored(this.topic(subject.kind as Kind))),
        ),
    )
  }

  async #end(): Promise<void> {
    const topics = this.#publishing.map(({ kind }) => this.topic(kind as Kind))
    for (const { server } of this.#http.values()) await server.stop()
    await this.#client?.server.stop()
    for (const topic of topics) await this.#cluster.remove(topic)
  }
}

/** The client library alone, on a topic that is there. */
function startClient(lab: Lab, cluster: Cluster, topic: string): Subject<Contender, ClientTask> {
  const jobs = new JobProcess<ClientJob>(new URL('./client.ts', import.meta.url), lab.releases)
  const contender: Contender = { kind: 'client', usage: () => jobs.usage(), stop: () => jobs.stop() }
  const { bootstrap } = cluster.at(topic)
  return new Subject(contender, {
    // What it reads may be another's topic.
    run: (task) => jobs.run({ ...task, bootstrap, topic: task.kind === 'consume' ? task.topic : topic }),
    own: true,
    brokerCpu: () => cluster.cpuSeconds(),
  })
}
