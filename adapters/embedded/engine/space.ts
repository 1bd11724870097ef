import type { DatabaseSync } from 'node:sqlite'
import type { GatewayError } from '../../../src/core/errors.ts'
import { full } from '../errors.ts'
import { pageSize } from './open.ts'
import { type Query, query } from './sql.ts'

/** How long publishing pauses after the disk failed, so that failing costs little. */
const pauseMs = 1000

/** What has to be left on the disk: folding the write-ahead log, settling and retention need some of it. */
const reserveBytes = 16 << 20
/** How much may be published until the disk is looked at again. */
const lookBytes = 2 << 20

/**
 * Refuses to publish before the database or its disk is full: what remains is for deleting, settling and handing out,
 * which take pages too before they give any back.
 */
export class Space {
  readonly #maxPages: number | null
  readonly #maxBytes: number | null
  readonly #diskFree: (() => number) | null
  readonly #pages: Query<[pages: number]>
  readonly #free: Query<[pages: number]>
  readonly #now: () => number
  #paused: { readonly until: number; readonly error: GatewayError } | undefined
  #lookAt = 0
  #sinceLook = 0

  /** `diskFree` answers how many bytes are left on the disk. */
  constructor(db: DatabaseSync, maxBytes: number | null, diskFree: (() => number) | null, now: () => number) {
    const pages = maxBytes === null ? null : Math.floor(maxBytes / pageSize)
    this.#maxBytes = maxBytes
    this.#maxPages = pages === null ? null : pages - Math.max(32, Math.ceil(pages / 32))
    this.#diskFree = diskFree
    this.#pages = query(db, 'PRAGMA page_count')
    this.#free = query(db, 'PRAGMA freelist_count')
    this.#now = now
  }

  /** Throws `unavailable` where so many bytes more are too many. */
  check(bytes: number): void {
    const now = this.#now()
    if (this.#paused !== undefined && now < this.#paused.until) throw this.#paused.error
    if (this.#diskFree !== null) this.#checkDisk(bytes, this.#diskFree, now)
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

  #checkDisk(bytes: number, diskFree: () => number, now: number): void {
    this.#sinceLook += bytes
    if (now < this.#lookAt && this.#sinceLook < lookBytes) return
    this.#lookAt = now + pauseMs
    this.#sinceLook = bytes
    // Pages that are free within the file are used again before it grows.
    if (diskFree() + this.#free.get()![0] * pageSize - bytes >= reserveBytes) return
    const error = full(`The disk of the embedded broker has less than ${reserveBytes >> 20} MiB left.`)
    this.pause(error)
    throw error
  }
}
