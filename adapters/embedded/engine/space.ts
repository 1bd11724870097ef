import type { DatabaseSync } from 'node:sqlite'
import type { GatewayError } from '../../../src/core/errors.ts'
import { full } from '../errors.ts'
import { pageSize } from './open.ts'
import { type Query, query } from './sql.ts'

/** How long publishing pauses after the disk failed, so that failing costs little. */
const pauseMs = 1000

/**
 * Refuses to publish before the database is full: what remains is for deleting, settling and handing out, which take
 * pages too before they give any back.
 */
export class Space {
  readonly #maxPages: number | null
  readonly #maxBytes: number | null
  readonly #pages: Query<[pages: number]>
  readonly #free: Query<[pages: number]>
  readonly #now: () => number
  #paused: { readonly until: number; readonly error: GatewayError } | undefined

  constructor(db: DatabaseSync, maxBytes: number | null, now: () => number) {
    const pages = maxBytes === null ? null : Math.floor(maxBytes / pageSize)
    this.#maxBytes = maxBytes
    this.#maxPages = pages === null ? null : pages - Math.max(32, Math.ceil(pages / 32))
    this.#pages = query(db, 'PRAGMA page_count')
    this.#free = query(db, 'PRAGMA freelist_count')
    this.#now = now
  }

  /** Throws `unavailable` where so many bytes more are too many. */
  check(bytes: number): void {
    if (this.#paused !== undefined && this.#now() < this.#paused.until) throw this.#paused.error
    if (this.#maxPages === null) return
    // Bodies take whole pages; two more for the index and the row itself.
    const wanted = Math.ceil(bytes / pageSize) + 2
    const used = this.#pages.get()![0] - this.#free.get()![0]
    if (used + wanted <= this.#maxPages) return
    throw full(`The embedded broker is full: its maxBytes of ${this.#maxBytes} is used up. Retention frees space.`)
  }

  /** The disk failed just now, being full or otherwise. */
  pause(error: GatewayError): void {
    this.#paused = { until: this.#now() + pauseMs, error }
  }
}
