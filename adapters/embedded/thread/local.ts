import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../../src/core/index.ts'
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
  onAppended: (topics: readonly number[]) => void = () => {}

  constructor(clock: Clock, maxBytes: number | null) {
    this.#clock = clock
    this.#db = openMemory(maxBytes)
    this.#engine = new Engine(this.#db, { clock, memory: true })
    this.#reads = readsOf(this.#engine.chunks)
  }

  async call<K extends Op>(op: K, input: Input<K>): Promise<Output<K>> {
    if (this.#closed) throw closed()
    const [reply] = this.#engine.run([{ op, input }])
    if (reply === undefined || 'failure' in reply) throw reply === undefined ? closed() : fromFailure(reply.failure)
    return reply.value as Output<K>
  }

  async read<K extends ReadOp>(op: K, input: ReadInput<K>): Promise<ReadOutput<K>> {
    if (this.#closed) throw closed()
    const read = this.#reads[op] as (input: ReadInput<K>) => ReadOutput<K>
    return read(input)
  }

  now(): number {
    return this.#clock.now()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#db.close()
  }
}
