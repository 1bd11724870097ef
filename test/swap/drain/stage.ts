import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pause } from '../../conformance/waiting.ts'
import { type Addressed, Api } from '../../delivery/faults/api.ts'
import { type Account, Checker, type Disturbance } from '../../delivery/faults/check.ts'
import { Endpoints } from '../../delivery/faults/endpoints.ts'
import type { Made } from '../../delivery/faults/load.ts'
import { Replica } from '../../delivery/faults/replica.ts'

export type Entry = Readonly<Record<string, unknown>>

interface Watched {
  readonly id: string
  readonly topic: string
  readonly path: string
  readonly ordered: boolean
}

interface Shown {
  readonly broker: string
  readonly epoch: number
  readonly draining?: {
    readonly broker: string
    readonly emptied: boolean
    readonly groups: readonly { readonly group: string; readonly events?: number }[]
  }
}

/** What a group of a broker that shares partitions takes to notice that a member is gone. */
const sharingMs = 25_000

/** One gateway after the other, with one store and two brokers, whose topics are on the one and then on the other. */
export class DrainStage implements Addressed {
  readonly loose: string
  readonly ordered: string
  readonly endpoints: Endpoints
  readonly api: Api
  readonly #folder: string
  readonly #brokers: { readonly from: Entry; readonly to: Entry }
  readonly #watched: Watched[] = []
  readonly #replicas: Replica[] = []
  #next = Promise.withResolvers<Replica>()

  private constructor(folder: string, brokers: { from: Entry; to: Entry }, endpoints: Endpoints) {
    const own = randomBytes(5).toString('hex')
    this.loose = `drain.loose.${own}`
    this.ordered = `drain.ordered.${own}`
    this.#folder = folder
    this.#brokers = brokers
    this.endpoints = endpoints
    this.api = new Api(this)
  }

  static async create(from: Entry, to: Entry): Promise<DrainStage> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-drain-'))
    return new DrainStage(folder, { from, to }, await Endpoints.start())
  }

  /** That of the gateway that runs, or of the next one. */
  async url(): Promise<string> {
    return (await this.#next.promise).url()
  }

  /** Starts a gateway with these words for both topics. */
  async start(topic: Entry): Promise<void> {
    const config = {
      brokers: this.#brokers,
      topics: { [this.loose]: topic, [this.ordered]: topic },
      store: { type: 'sqlite', path: 'store.db' },
    }
    const replica = new Replica({ config, folder: this.#folder })
    replica.start()
    await replica.url()
    this.#replicas.push(replica)
    this.#next.resolve(replica)
  }

  /** Ends the gateway: by a signal that nothing can answer, or in an orderly way. */
  async end(how: 'kill' | 'stop'): Promise<void> {
    const replica = this.#replicas.at(-1)!
    this.#next = Promise.withResolvers()
    await replica[how]()
  }

  get errors(): string {
    return this.#replicas.map(({ errors }) => errors).join('')
  }

  async subscribe(topic: string, path: string, form: Record<string, unknown> = {}): Promise<string> {
    const { id } = await this.api.subscribe({ topic, url: this.endpoints.urlOf(path), ...form })
    this.#watched.push({ id, topic, path, ordered: form.ordering === 'key' })
    return id
  }

  async show(topic: string): Promise<Shown> {
    return this.api.ask('GET', `/v1/topics/${topic}`)
  }

  /** Resolves when neither topic has anything at its old broker any more. */
  async drained(ms: number): Promise<void> {
    const end = performance.now() + ms
    for (;;) {
      const shown = await Promise.all([this.show(this.loose), this.show(this.ordered)])
      if (shown.every(({ draining }) => draining === undefined)) return
      if (performance.now() > end)
        throw new Error(`Not drained: ${JSON.stringify(shown.map(({ draining }) => draining))}`)
      await pause(250)
    }
  }

  /** Waits until nothing is owed any more; answers what the checkers of both topics then say. */
  async settled(made: ReadonlyMap<string, ReadonlyMap<string, Made>>, ms: number): Promise<Checker[]> {
    const end = performance.now() + ms
    let quietSince = performance.now()
    for (let total = -1; ; await pause(250)) {
      const busy = await this.api.busy()
      if (busy.length > 0 || this.endpoints.total !== total) quietSince = performance.now()
      total = this.endpoints.total
      if (busy.length === 0) {
        const checkers = await this.#check(made)
        const waits = checkers.some(({ violations }) => violations.some(({ kind }) => kind === 'missing'))
        if (!waits || performance.now() - quietSince > sharingMs) return checkers
      }
      if (performance.now() > end) throw new Error(`Still on its way: ${JSON.stringify(busy)}`)
    }
  }

  async #check(made: ReadonlyMap<string, ReadonlyMap<string, Made>>): Promise<Checker[]> {
    const checkers: Checker[] = []
    for (const [topic, events] of made) {
      const checker = new Checker(events, this.#disturbances())
      for (const { id, path, ordered } of this.#watched.filter((one) => one.topic === topic)) {
        const seen = this.endpoints.seen(path)
        const account: Account = { path, wants: () => true, ordered, seen, rows: await this.api.rows(id) }
        checker.check(account)
      }
      checkers.push(checker)
    }
    return checkers
  }

  #disturbances(): Disturbance[] {
    return this.#replicas.flatMap(({ kills }) => kills.map(({ from }) => ({ from, to: from + sharingMs })))
  }

  async remove(): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica.kill()))
    await this.endpoints.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
