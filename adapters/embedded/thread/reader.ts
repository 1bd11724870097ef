import { Chunks } from '../engine/chunks.ts'
import { openReader } from '../engine/open.ts'
import type { ReadInput, ReadOp, ReadOutput } from '../engine/operations.ts'
import { readsOf } from '../engine/reads.ts'
import { fromSqlite, toFailure } from '../errors.ts'
import { serve } from './serve.ts'

export interface ReadCall<K extends ReadOp = ReadOp> {
  readonly op: K
  readonly input: ReadInput<K>
}

/** The thread that reads logs, so that no commit waits for a read. */
serve<{ path: string }, ReadCall>(({ path }) => {
  const db = openReader(path)
  const reads = readsOf(new Chunks(db))
  const one = <K extends ReadOp>({ op, input }: ReadCall<K>) => {
    const read = reads[op] as (input: ReadInput<K>) => ReadOutput<K>
    try {
      return { value: read(input) }
    } catch (thrown) {
      return { failure: toFailure(fromSqlite(thrown)) }
    }
  }
  return {
    ready: null,
    run: (calls) => calls.map((call) => one(call)),
    idle: () => Number.POSITIVE_INFINITY,
    close: () => db.close(),
  }
})
