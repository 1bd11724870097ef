/**
 * What of a partition is done without a gap, for logs that commit a position: everything before `place` is settled.
 * Positions are delivered in ascending order and settled in any.
 */
export class Prefix {
  /** Delivered and not behind `place` yet, ascending, from `#head` on. */
  #waiting: number[] = []
  #head = 0
  readonly #settled = new Set<number>()
  #next: number

  /** `next` is the position of the first event to come. */
  constructor(next: number) {
    this.#next = next
  }

  /** The first position that is not settled: what may be committed. */
  get place(): number {
    return this.#head < this.#waiting.length ? this.#waiting[this.#head]! : this.#next
  }

  /** How many were delivered and are not settled. */
  get unsettled(): number {
    return this.#waiting.length - this.#head - this.#settled.size
  }

  /** How many were delivered from `place` on. */
  get span(): number {
    return this.#waiting.length - this.#head
  }

  deliver(position: number): void {
    this.#waiting.push(position)
    this.#next = position + 1
  }

  /** Everything before `next` was delivered, or is nothing that could be (a marker, what compaction removed). */
  pass(next: number): void {
    this.#next = Math.max(this.#next, next)
  }

  /** Whether it was waiting; a second time, and what was never delivered, changes nothing. */
  settle(position: number): boolean {
    if (position < this.place || position >= this.#next || this.#settled.has(position)) return false
    this.#settled.add(position)
    while (this.#head < this.#waiting.length && this.#settled.delete(this.#waiting[this.#head]!)) this.#head++
    if (this.#head > 1024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head)
      this.#head = 0
    }
    return true
  }
}
