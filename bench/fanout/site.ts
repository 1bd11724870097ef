import { join } from 'node:path'
import { systemClock } from '../../src/core/clock.ts'
import { defaultPolicy, type Subscription } from '../../src/core/subscription.ts'
import { openSqliteStore } from '../../src/store/sql/open.ts'
import { openPostgresStore } from '../../src/store/sql/postgres/open.ts'
import type { Store } from '../../src/store/store.ts'
import { Latencies } from '../histogram.ts'
import type { Outcome } from '../load/job.ts'
import { JobProcess } from '../load.ts'
import type { Lab } from '../measure/lab.ts'
import type { Sample } from '../measure/subject.ts'
import { benchKey, type Server, type ServerKind, startServer } from '../server.ts'
import { busySeconds, type Usage } from '../usage.ts'
import { typeOf } from './events.ts'
import type { PublishJob } from './publisher.ts'
import type { Counted, Receiver } from './receiving.ts'

/** Where one subscription of a bench delivers to, and what. */
export interface Wish {
  readonly port: number
  /** The destination whose events it wants; all events where absent. */
  readonly wants?: number
  readonly concurrency?: number
}

export interface SiteOptions {
  readonly subscriptions: readonly Wish[]
  /** What is in the store before the gateway starts. */
  readonly fill?: (store: Store) => Promise<void>
  /** An empty database, where the store is not SQLite. */
  readonly database: (() => Promise<string>) | undefined
}

type Task<J> = J extends PublishJob ? Omit<J, 'port'> : never

/** Above so many, subscriptions are written into the store: over HTTP each would make the gateway read all of them again. */
const maxByHttp = 200

/** A gateway with subscriptions, and who publishes to it. */
export class Site {
  readonly kind: ServerKind
  readonly #server: Server
  readonly #publisher: JobProcess<PublishJob>
  readonly #receiver: Receiver
  readonly #ids: string[] = []

  private constructor(kind: ServerKind, server: Server, lab: Lab, receiver: Receiver) {
    this.kind = kind
    this.#server = server
    this.#receiver = receiver
    this.#publisher = new JobProcess<PublishJob>(new URL('./publisher.ts', import.meta.url), lab.releases)
  }

  static async start(kind: ServerKind, lab: Lab, receiver: Receiver, options: SiteOptions): Promise<Site> {
    const url = await options.database?.()
    const first = options.subscriptions.slice(0, options.subscriptions.length > maxByHttp ? 1 : maxByHttp)
    const direct = options.subscriptions.slice(first.length)
    const prepare = async (folder: string): Promise<void> => {
      const path = join(folder, 'store.db')
      const clock = systemClock
      const store = await (url === undefined
        ? openSqliteStore({ path, clock })
        : openPostgresStore({ url, clock, encryptionKey: benchKey }))
      for (const [i, wish] of direct.entries()) {
        await store.subscriptions.create(subscription(`sub_bench${i}`, wish), { state: 'attached' })
      }
      await options.fill?.(store)
      await store.close()
    }
    const needed = direct.length > 0 || options.fill !== undefined
    const server = await startServer(
      'fanout',
      { ...lab.serverOptions, ...(url !== undefined && { database: url }), ...(needed && { prepare }) },
      lab.releases,
    )
    const site = new Site(kind, server, lab, receiver)
    for (const wish of first) await site.#subscribe(wish)
    return site
  }

  usage(): Usage {
    return this.#server.usage()
  }

  publish(task: Task<PublishJob>): Promise<Outcome> {
    return this.#publisher.run({ ...task, port: this.#server.port })
  }

  async stop(): Promise<void> {
    await this.#publisher.stop()
    await this.#server.stop()
  }

  async pause(): Promise<void> {
    for (const id of this.#ids) await this.#call('POST', `/v1/subscriptions/${id}/pause`)
  }

  async resume(): Promise<void> {
    await Promise.all(this.#ids.map((id) => this.#call('POST', `/v1/subscriptions/${id}/resume`)))
  }

  /** Everything is delivered and settled, and each subscription takes its events from the group again. */
  async quiet(): Promise<void> {
    for (;;) {
      const before = this.usage().cpuSeconds
      await new Promise((resolve) => setTimeout(resolve, 300))
      if (this.usage().cpuSeconds - before < 0.05) return
    }
  }

  /**
   * Measures what comes from one moment on until `until` deliveries have: `begin` answers when that moment was and how
   * many had come before it.
   */
  async sample(until: number, begin: () => Promise<Counted>, latency?: string): Promise<Sample> {
    const busyBefore = busySeconds()
    const oursBefore = this.#cpuSeconds()
    const started = performance.now()
    const before = await begin()
    const used = this.usage()
    const reached = await this.#receiver.reached(until)
    const after = this.usage()
    const busyAfter = busySeconds()
    const ours = this.#cpuSeconds() - oursBefore
    const events = reached.count - before.count
    const seconds = (reached.lastAt - before.at) / 1e6
    const cpuSeconds = after.cpuSeconds - used.cpuSeconds
    const known = busyBefore !== undefined && busyAfter !== undefined
    return {
      outcome: {
        events,
        sent: events,
        answers: events,
        failures: 0,
        failure: undefined,
        seconds,
        latency: latency ?? (reached.latency || new Latencies().encode()),
        lateness: undefined,
        bytes: 0,
        cpuShare: 0,
      },
      cpuSeconds,
      brokerCpuSeconds: undefined,
      foreignCores: known
        ? Math.max(0, (busyAfter - busyBefore - ours) / ((performance.now() - started) / 1000))
        : undefined,
      rssMB: after.rssMB,
      peakMB: after.peakMB,
    }
  }

  /** Of all processes of the measurement. */
  #cpuSeconds(): number {
    return [this.#server, this.#publisher, this.#receiver].reduce((sum, one) => sum + one.usage().cpuSeconds, 0)
  }

  async #subscribe(wish: Wish): Promise<void> {
    const { url, filters } = subscription('', wish)
    const { concurrency } = wish
    const body = { topic: 'bench', url, filters, ...(concurrency !== undefined && { policy: { concurrency } }) }
    const { id } = (await this.#call('POST', '/v1/subscriptions', body)) as { id: string }
    this.#ids.push(id)
  }

  async #call(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${this.#server.port}${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return JSON.parse(text)
  }
}

function subscription(id: string, { port, wants, concurrency = defaultPolicy.concurrency }: Wish): Subscription {
  const now = Date.now()
  return {
    id,
    topic: 'bench',
    url: `http://127.0.0.1:${port}/hooks`,
    filters: wants === undefined ? [] : [{ exact: { type: typeOf(wants) } }],
    mode: 'structured',
    headers: {},
    ordering: 'none',
    start: 'latest',
    policy: { ...defaultPolicy, concurrency },
    labels: {},
    secrets: [{ secret: 'whsec_c2x1aWNlLWJlbmNoLXNsdWljZS1iZW5jaC1zbHVpY2U=' }],
    status: 'active',
    declared: false,
    createdAt: now,
    updatedAt: now,
  }
}
