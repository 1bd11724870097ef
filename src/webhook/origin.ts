import type { SecureContext } from 'node:tls'
import { Client } from 'undici'
import type { Carrier, Exchange } from './exchange.ts'
import { Failure } from './failure.ts'
import { type Dialler, Link, type Way } from './link.ts'
import type { Target } from './target.ts'

/** Resolved addresses are asked for again in the background after the first time, and awaited after the second. */
const refreshMs = 15_000
const staleMs = 30_000
/** How long a connection stays open without a request, where the endpoint names no time, and at most. */
const keepAliveMs = 4000
const maxKeepAliveMs = 60_000
const maxHeaderBytes = 16 << 10

const nowhere: ReadonlySet<string> = new Set()

/** The connections without a request, of all origins together. */
interface Kept {
  count: number
  readonly max: number
}

export interface OriginOptions {
  readonly target: Target
  readonly context: SecureContext | undefined
  readonly dialler: Dialler
  readonly maxConnections: number
  readonly kept: Kept
  refuse(address: string): string | undefined
  resolve(target: Target): Promise<readonly string[]>
  now(): number
}

/**
 * The connections to one scheme, host and port by one identity. Each carries one request at a time, to an address that
 * was checked when the host was last resolved; what leads anywhere else is closed when that is seen.
 */
export class Origin implements Way {
  readonly #options: OriginOptions
  readonly target: Target
  readonly dialler: Dialler
  readonly context: SecureContext | undefined
  session: Buffer | undefined
  addresses: readonly string[] = []
  /** When it was last asked for a connection. */
  usedAt = 0
  #resolvedAt = Number.NEGATIVE_INFINITY
  #resolving: Promise<void> | undefined
  /** The last one used is used next, so that the others may end. */
  readonly #idle: Connection[] = []
  readonly #open = new Set<Connection>()
  /** Exchanges without a connection; those that ended meanwhile are passed over. */
  #waiting: Exchange[] = []
  #next = 0
  #closed = false

  constructor(options: OriginOptions) {
    this.#options = options
    this.target = options.target
    this.dialler = options.dialler
    this.context = options.context
  }

  refuse(address: string): string | undefined {
    return this.#options.refuse(address)
  }

  get busy(): boolean {
    return this.#open.size > this.#idle.length || this.#resolving !== undefined
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Undefined where the addresses are good. Otherwise rejects with a `Failure` where the host must not or cannot be reached. */
  prepare(): Promise<void> | undefined {
    const now = this.#options.now()
    this.usedAt = now
    if (this.target.literal && this.addresses.length > 0) return undefined
    // A clock may be set back.
    const age = Math.abs(now - this.#resolvedAt)
    if (age < refreshMs) return undefined
    this.#resolving ??= this.#resolve()
    if (age >= staleMs) return this.#resolving
    this.#resolving.catch(() => {})
    return undefined
  }

  async #resolve(): Promise<void> {
    try {
      this.addresses = await this.#options.resolve(this.target)
      this.#resolvedAt = this.#options.now()
      const checked = new Set(this.addresses)
      for (const connection of this.#open) connection.leads(checked)
    } catch (error) {
      // A name that leads somewhere else now is asked for again by the next attempt; while it cannot be resolved at all,
      // what it led to holds for as long as it would have.
      if (error instanceof Failure && error.stage === 'guard') {
        this.#resolvedAt = Number.NEGATIVE_INFINITY
        for (const connection of this.#open) connection.leads(nowhere)
      }
      throw error
    } finally {
      this.#resolving = undefined
    }
  }

  /** Sends it by the next connection that is free. */
  take(exchange: Exchange): void {
    const idle = this.#idle.pop()
    if (idle !== undefined) this.#options.kept.count -= 1
    const connection = idle ?? this.#connect()
    if (connection === undefined) {
      exchange.begin(undefined)
      this.#waiting.push(exchange)
    } else connection.run(exchange)
  }

  #connect(): Connection | undefined {
    if (this.#open.size >= this.#options.maxConnections) return undefined
    const connection = new Connection(this)
    this.#open.add(connection)
    return connection
  }

  /** A connection that may take another request. */
  freed(connection: Connection): void {
    const exchange = this.#nextWaiting()
    const { kept } = this.#options
    if (exchange !== undefined) connection.run(exchange)
    else if (this.#closed || kept.count >= kept.max) connection.discard()
    else {
      kept.count += 1
      this.#idle.push(connection)
    }
  }

  /** A connection that is not to be used again. */
  gone(connection: Connection): void {
    if (!this.#open.delete(connection)) return
    const at = this.#idle.indexOf(connection)
    if (at >= 0) {
      this.#options.kept.count -= 1
      this.#idle.splice(at, 1)
    }
    const exchange = this.#nextWaiting()
    if (exchange !== undefined) this.take(exchange)
  }

  #nextWaiting(): Exchange | undefined {
    while (this.#next < this.#waiting.length) {
      const exchange = this.#waiting[this.#next++]!
      if (!exchange.ended) return exchange
    }
    if (this.#next > 0) {
      this.#waiting = []
      this.#next = 0
    }
    return undefined
  }

  /** Closes what is idle now, and the rest when it is free. */
  close(): void {
    this.#closed = true
    for (const connection of [...this.#idle]) connection.discard()
  }
}

/** One connection, and the next one in its place while requests are sent by it. */
class Connection implements Carrier {
  readonly #origin: Origin
  readonly #link: Link
  readonly #client: Client
  #running = false
  #stale = false

  constructor(origin: Origin) {
    this.#origin = origin
    this.#link = new Link(origin)
    this.#client = new Client(origin.target.origin, {
      connect: this.#link.connect,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: maxKeepAliveMs,
      maxHeaderSize: maxHeaderBytes,
      // An exchange has a deadline of its own.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    this.#client.on('disconnect', () => {
      if (!this.#running) this.discard()
    })
  }

  run(exchange: Exchange): void {
    this.#running = true
    exchange.begin(this)
    this.#client.dispatch(exchange, exchange)
  }

  /** Closes it where it leads to none of `checked`, at once or when it is free. */
  leads(checked: ReadonlySet<string>): void {
    const address = this.#link.address
    if (address === undefined || checked.has(address)) return
    this.#stale = true
    if (!this.#running) this.discard()
  }

  release(): void {
    this.#running = false
    if (this.#stale) this.discard()
    else this.#origin.freed(this)
  }

  discard(): void {
    this.#running = false
    this.#link.abandon()
    this.#client.destroy(null, () => {})
    this.#origin.gone(this)
  }
}
