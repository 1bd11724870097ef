import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { Filters, filterOf } from './bloom.ts'
import type { Memtable } from './memtable.ts'
import { type Query, query } from './sql.ts'

/** So many hashes with their references fill one page. */
const blockEntries = 504
/** How many blocks a run may have; their ids begin at its own times this. */
const runSpan = 1024
/** Each takes 130 KiB of memory or so. Beyond it the oldest are forgotten, which shortens windows, not memory. */
const maxRuns = 1024

interface Run {
  readonly id: number
  readonly expires: number
  /** The first hash of each block. */
  readonly firsts: Float64Array
  /** Where its filter is among the filters. */
  readonly slot: number
}

type Bytes = Uint8Array<ArrayBuffer>

/** Tables of hashes that were full, sorted and written out. In memory are only a filter and an index of each. */
export class Runs {
  readonly #insertRun: StatementSync
  readonly #insertBlock: StatementSync
  readonly #deleteRun: StatementSync
  readonly #deleteBlocks: StatementSync
  readonly #all: Query<[id: number, expires: number, firsts: Bytes, filter: Bytes]>
  readonly #block: Query<[entries: Bytes]>
  /** By the slots of their filters. */
  readonly #runs = new Map<number, Run>()
  #filters = new Filters()

  constructor(db: DatabaseSync) {
    this.#insertRun = db.prepare('INSERT INTO dedup_run (expires, firsts, filter) VALUES (?, ?, ?)')
    this.#insertBlock = db.prepare('INSERT INTO dedup_block (id, entries) VALUES (?, ?)')
    this.#deleteRun = db.prepare('DELETE FROM dedup_run WHERE id = ?')
    this.#deleteBlocks = db.prepare('DELETE FROM dedup_block WHERE id >= ? AND id < ?')
    this.#all = query(db, 'SELECT id, expires, firsts, filter FROM dedup_run ORDER BY id')
    this.#block = query(db, 'SELECT entries FROM dedup_block WHERE id = ?')
  }

  get count(): number {
    return this.#runs.size
  }

  load(): void {
    this.#runs.clear()
    this.#filters = new Filters()
    for (const [id, expires, firsts, filter] of this.#all.iterate()) this.#add(id, expires, doubles(firsts), filter)
  }

  /** Writes a table out as a run that nobody needs after `expires`. */
  write(table: Memtable, expires: number): void {
    const hashes = table.sorted()
    const blocks = Math.ceil(hashes.length / blockEntries)
    const firsts = new Float64Array(blocks)
    for (let i = 0; i < blocks; i++) firsts[i] = hashes[i * blockEntries]!
    const filter = filterOf(hashes)
    const id = Number(this.#insertRun.run(expires, new Uint8Array(firsts.buffer), filter).lastInsertRowid)
    for (let i = 0; i < blocks; i++) {
      const part = hashes.subarray(i * blockEntries, (i + 1) * blockEntries)
      const entries = new Float64Array(part.length * 2)
      entries.set(part)
      for (let k = 0; k < part.length; k++) entries[part.length + k] = table.get(part[k]!)
      this.#insertBlock.run(id * runSpan + i, new Uint8Array(entries.buffer))
    }
    this.#add(id, expires, firsts, filter)
    if (this.#runs.size > maxRuns) this.#drop(this.#earliest())
  }

  /** Calls `same` with the references that a hash has, the newest first, until it says true; answers that one, or 0. */
  find(hash: number, now: number, same: (reference: number) => boolean): number {
    const slots = this.#filters.ask(hash)
    if (slots.length === 0) return 0
    const runs = slots.map((slot) => this.#runs.get(slot)!).sort((a, b) => b.id - a.id)
    for (const run of runs) {
      const reference = run.expires <= now ? 0 : this.#lookUp(run, hash)
      if (reference !== 0 && same(reference)) return reference
    }
    return 0
  }

  /** Drops one run that nobody needs any more; answers whether there was one. */
  expire(now: number): boolean {
    const earliest = this.#earliest()
    if (earliest === undefined || earliest.expires > now) return false
    this.#drop(earliest)
    return true
  }

  #add(id: number, expires: number, firsts: Float64Array, filter: Uint8Array): void {
    const slot = this.#filters.add(filter)
    this.#runs.set(slot, { id, expires, firsts, slot })
  }

  #earliest(): Run | undefined {
    let earliest: Run | undefined
    for (const run of this.#runs.values()) if (earliest === undefined || run.expires < earliest.expires) earliest = run
    return earliest
  }

  #drop(run: Run | undefined): void {
    if (run === undefined) return
    this.#deleteBlocks.run(run.id * runSpan, (run.id + 1) * runSpan)
    this.#deleteRun.run(run.id)
    this.#filters.remove(run.slot)
    this.#runs.delete(run.slot)
  }

  #lookUp({ id, firsts }: Run, hash: number): number {
    const index = lastNotAbove(firsts, firsts.length, hash)
    const row = index < 0 ? undefined : this.#block.get(id * runSpan + index)
    if (row === undefined) return 0
    const entries = doubles(row[0])
    const count = entries.length / 2
    const at = lastNotAbove(entries, count, hash)
    return at >= 0 && entries[at] === hash ? entries[count + at]! : 0
  }
}

/** Where the last of the first `count` values lies that is not above `wanted`; -1 where all are. */
function lastNotAbove(values: Float64Array, count: number, wanted: number): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (values[middle]! <= wanted) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** The bytes as numbers; they lie in a buffer of their own. */
export function doubles(bytes: Bytes): Float64Array<ArrayBuffer> {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()
  return new Float64Array(aligned.buffer, aligned.byteOffset, aligned.length / 8)
}
