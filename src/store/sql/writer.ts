import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { GatewayError } from '../../core/errors.ts'
import { isBusy, storeError } from './errors.ts'

interface Waiting {
  readonly operation: () => unknown
  readonly deadline: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: GatewayError) => void
}

const retryMs = 10
const maxTogether = 200

/**
 * Runs write operations, those that came in the same turn of the event loop in one transaction: a commit waits for the
 * disk, and so costs the same for one as for many. Where another process holds the lock, it tries again without
 * blocking, up to `patienceMs`.
 */
export class Writer {
  readonly #database: DatabaseSync
  readonly #file: string
  readonly #patienceMs: number
  #waiting: Waiting[] = []
  #draining: Promise<void> | undefined
  #closed = false

  constructor(database: DatabaseSync, file: string, patienceMs = 5000) {
    this.#database = database
    this.#file = file
    this.#patienceMs = patienceMs
  }

  /** Resolves with what `operation` returned once that is durable; rejects where nothing of it was done. */
  run<T>(operation: () => T, patienceMs = this.#patienceMs): Promise<T> {
    if (this.#closed) return Promise.reject(new GatewayError('unavailable', 'The store is closed.'))
    return new Promise<T>((resolve, reject) => {
      const deadline = performance.now() + patienceMs
      this.#waiting.push({ operation, deadline, resolve: resolve as (value: unknown) => void, reject })
      this.#draining ??= this.#drain()
    })
  }

  /** Refuses what comes from now on, and resolves once everything before is settled. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#draining
  }

  async #drain(): Promise<void> {
    await new Promise(setImmediate)
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, maxTogether)
      try {
        this.#commit(batch)
      } catch (error) {
        if (isBusy(error)) await this.#retryLater(error)
        else this.#settle(batch.length, (one) => one.reject(storeError(error, this.#file)))
      }
    }
    this.#draining = undefined
  }

  #commit(batch: readonly Waiting[]): void {
    const results: unknown[] = []
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      for (const { operation } of batch) results.push(operation())
      this.#database.exec('COMMIT')
    } catch (error) {
      // A full disk has rolled back already.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
    this.#settle(batch.length, (one, index) => one.resolve(results[index]))
  }

  /** The lock is held elsewhere: whoever waited long enough is told so. */
  async #retryLater(error: unknown): Promise<void> {
    const now = performance.now()
    const late = this.#waiting.filter((one) => one.deadline <= now)
    this.#waiting = this.#waiting.filter((one) => one.deadline > now)
    for (const one of late) one.reject(storeError(error, this.#file))
    if (this.#waiting.length > 0) await sleep(retryMs)
  }

  #settle(count: number, each: (one: Waiting, index: number) => void): void {
    this.#waiting.splice(0, count).forEach(each)
  }
}
