import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../../src/core/clock.ts'
import { Engine } from '../engine/engine.ts'
import { openMemory } from '../engine/open.ts'
import type { Input, Op, Output, ReadInput, ReadOp, ReadOutput, Reads } from '../engine/operations.ts'
import { readsOf } from '../engine/reads.ts'
import { closed, fromFailure } from '../errors.ts'
import type { Link } from './link.ts'

/** The engine in this thread, over a database in memory: every call is done before it returns. */
export class LocalLink implements Link {
  readonly #db: DatabaseSync
  readonly #clock: Clock
  readonly #engine: Engine
  readonly #reads: Reads
  #closed = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #timerAt = Number.POSITIVE_INFINITY
  readonly fault = undefined
  onAppended: (topics: readonly number[]) => void = () => {}

  constructor(clock: Clock, maxBytes: number | null) {
    this.#clock = clock
    this.#db = openMemory(maxBytes)
    this.#engine = new Engine(this.#db, { clock, memory: true, maxBytes })
    this.#rest()
    this.#reads = readsOf(this.#engine.chunks)
  }

  async call<K extends Op>(op: K, input: Input<K>): Promise<Output<K>> {
    this.#catchUp()
    const [reply] = this.#engine.run([{ op, input }])
    if (op === 'publish') this.#rest()
    if (reply === undefined || 'failure' in reply) throw reply === undefined ? closed() : fromFailure(reply.failure)
    return reply.value as Output<K>
  }

  async read<K extends ReadOp>(op: K, input: ReadInput<K>): Promise<ReadOutput<K>> {
    this.#catchUp()
    const read = this.#reads[op] as (input: ReadInput<K>) => ReadOutput<K>
    return read(input)
  }

  now(): number {
    return this.#clock.now()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    this.#db.close()
  }

  /** What is due by the clock is done before anybody can see that it is not. */
  #catchUp(): void {
    if (this.#closed) throw closed()
    if (this.#clock.now() < this.#engine.upkeepAt) return
    const appended = this.#engine.upkeep()
    if (appended.length > 0) this.onAppended(appended)
    this.#rest()
  }

  /** Sees to it that what becomes due is done also when nobody asks for anything. */
  #rest(): void {
    const at = this.#engine.upkeepAt
    if (at >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = at
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Number.POSITIVE_INFINITY
        if (this.#closed) return
        this.#catchUp()
        this.#rest()
      },
      Math.min(Math.max(1, at - this.#clock.now()), 60_000),
    )
    this.#timer.unref()
  }
}
