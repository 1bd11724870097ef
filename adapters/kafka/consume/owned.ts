import { Prefix } from '../../../src/core/index.ts'
import type { Fetched } from '../read/fetch.ts'
import type { RawRecord } from '../read/records.ts'
import type { Place } from './places.ts'

/** So many records of a partition are held for the pullers, and no more are fetched. */
const enough = 500

/** A partition that is assigned to this member: from where it goes on, what is held, and what is settled of it. */
export class Owned {
  readonly partition: number
  /** Grows with every assignment: a receipt of an earlier one settles nothing. */
  readonly epoch: number
  readonly prefix: Prefix
  readonly #note: string
  readonly #lost = new AbortController()
  #queue: RawRecord[] = []
  #head = 0
  #fetched: number
  #committed: number
  #revoking = false

  constructor({ partition, offset, note }: Place, epoch: number) {
    this.partition = partition
    this.epoch = epoch
    this.prefix = new Prefix(offset)
    this.#note = note
    this.#fetched = offset
    this.#committed = offset
  }

  /** Aborts when it belongs to somebody else. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  get waiting(): number {
    return this.#revoking ? 0 : this.#queue.length - this.#head
  }

  get full(): boolean {
    return this.#queue.length - this.#head >= enough
  }

  put({ records, next }: Fetched): void {
    if (this.#head === this.#queue.length) {
      this.#queue = []
      this.#head = 0
    }
    for (const record of records) this.#queue.push(record)
    this.#fetched = next
    this.#pass()
  }

  take(max: number): RawRecord[] {
    const taken = this.#queue.slice(this.#head, this.#head + max)
    this.#head += taken.length
    for (const { offset } of taken) this.prefix.deliver(offset)
    this.#pass()
    return taken
  }

  /** Behind the last record lie markers of transactions, or nothing. */
  #pass(): void {
    if (this.#head === this.#queue.length) this.prefix.pass(this.#fetched)
  }

  /** What is to be committed; undefined where it is. */
  get uncommitted(): Place | undefined {
    const offset = this.prefix.place
    return offset > this.#committed ? { partition: this.partition, offset, note: this.#note } : undefined
  }

  isCommitted(offset: number): boolean {
    return offset <= this.#committed
  }

  /** Up to here a commit was sent, and no answer came. */
  perhaps = 0

  committed(offset: number): void {
    this.#committed = Math.max(this.#committed, offset)
  }

  /** Nothing more is delivered of it; what was is to be settled soon. */
  revoke(): void {
    this.#revoking = true
  }

  lose(): void {
    this.#revoking = true
    this.#queue = []
    this.#head = 0
    this.#lost.abort()
  }
}
