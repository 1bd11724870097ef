import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sharedKafka, sharedPostgres } from '../../brokers/services/shared.ts'
import { pause } from '../../conformance/waiting.ts'
import { Api } from './api.ts'
import { type Account, Checker, type Disturbance } from './check.ts'
import type { Control } from './controls.ts'
import { Endpoints } from './endpoints.ts'
import type { Load, Made } from './load.ts'
import { Replica } from './replica.ts'

export type StoreType = 'sqlite' | 'postgres'
export type BrokerType = 'embedded' | 'kafka'

export interface StageOptions {
  readonly store: StoreType
  readonly broker: BrokerType
  readonly replicas?: number
  readonly control?: Control
}

/** A subscription under watch: its endpoint is a path of its own. */
export interface Watched {
  readonly id: string
  readonly path: string
  readonly wants: (made: Made) => boolean
  readonly ordered: boolean
  readonly deadAfter?: number
}

/** What a Kafka group takes at the most to notice that a member is gone, or has come, and to share out anew. */
const rebalanceMs = 25_000

/** Gateways over one store and one broker, and the endpoints of their subscriptions. */
export class Stage {
  readonly topic: string
  readonly folder: string
  readonly replicas: readonly Replica[]
  readonly endpoints: Endpoints
  readonly api: Api
  readonly watched: Watched[] = []
  readonly #isShared: boolean

  private constructor(
    topic: string,
    folder: string,
    replicas: readonly Replica[],
    endpoints: Endpoints,
    shared: boolean,
  ) {
    this.topic = topic
    this.folder = folder
    this.replicas = replicas
    this.endpoints = endpoints
    this.api = new Api(replicas[0]!)
    this.#isShared = shared
  }

  static async create({ store, broker, replicas = 1, control }: StageOptions): Promise<Stage> {
    const topic = `load.${randomBytes(5).toString('hex')}`
    const folder = await mkdtemp(join(tmpdir(), 'sluice-delivery-'))
    const config = {
      encryptionKey: 'one key for all replicas of a test',
      brokers: { main: broker === 'embedded' ? { type: 'embedded', path: 'log.db' } : await kafkaEntry() },
      topics: { [topic]: { broker: 'main', ensure: { partitions: 4 } } },
      store: store === 'sqlite' ? { type: 'sqlite', path: 'store.db' } : await postgresEntry(),
    }
    const made = Array.from({ length: replicas }, () => new Replica({ config, folder, ...(control && { control }) }))
    return new Stage(topic, folder, made, await Endpoints.start(), replicas > 1 || broker === 'kafka')
  }

  /** The first of them, where there is one only. */
  get replica(): Replica {
    return this.replicas[0]!
  }

  async subscribe(
    path: string,
    form: Record<string, unknown> = {},
    about: { wants?: Watched['wants']; deadAfter?: number } = {},
  ): Promise<Watched> {
    const { id } = await this.api.subscribe({ topic: this.topic, url: this.endpoints.urlOf(path), ...form })
    const { wants = () => true, deadAfter } = about
    const watched = { id, path, wants, ordered: form.ordering === 'key', ...(deadAfter && { deadAfter }) }
    this.watched.push(watched)
    return watched
  }

  /**
   * Waits until nothing is owed any more, and answers what the checker then says. Where something is missing it may be
   * with a member of the group that is gone: it is waited for as long as that may take.
   */
  async settled(load: Pick<Load, 'made'>, ms = 300_000): Promise<Checker> {
    const end = performance.now() + ms
    let quietSince = performance.now()
    for (let total = -1; ; await pause(250)) {
      const busy = await this.api.busy()
      if (busy.length > 0 || this.endpoints.total !== total) quietSince = performance.now()
      total = this.endpoints.total
      if (busy.length === 0) {
        const checker = await this.check(load)
        const waits = checker.violations.some(({ kind }) => kind === 'missing' || kind === 'pending')
        if (!waits || performance.now() - quietSince > this.#patienceMs) return checker
      }
      if (performance.now() < end) continue
      const left = busy.map(({ url, pending, feed, state }) => ({ url, pending, feed, state }))
      throw new Error(`After ${ms} ms there is still something on its way: ${JSON.stringify(left.slice(0, 5))}`)
    }
  }

  /** What the gateways are held to. */
  async check(load: Pick<Load, 'made'>): Promise<Checker> {
    const checker = new Checker(load.made, this.disturbances())
    for (const { id, path, wants, ordered, deadAfter } of this.watched) {
      const seen = this.endpoints.seen(path)
      const rows = await this.api.rows(id)
      const account: Account = { path, wants, ordered, seen, rows, ...(deadAfter !== undefined && { deadAfter }) }
      checker.check(account)
    }
    return checker
  }

  /** A lease of the gateway's group, and a claim, or what sharing out anew takes. */
  get #patienceMs(): number {
    return this.#isShared ? rebalanceMs + 10_000 : 15_000
  }

  disturbances(): Disturbance[] {
    const lasts = this.#isShared ? rebalanceMs : 0
    return this.replicas.flatMap(({ kills }) => kills.map(({ from, to }) => ({ from, to: to + lasts })))
  }

  async remove(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.kill()))
    await this.endpoints.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}

async function kafkaEntry(): Promise<Record<string, unknown>> {
  const { bootstrap } = await sharedKafka(1)
  return { type: 'kafka', bootstrap, sessionTimeout: '6s' }
}

async function postgresEntry(): Promise<Record<string, unknown>> {
  return { type: 'postgres', url: await sharedPostgres() }
}
