import { Queue } from './queue.ts'

export const inlineMs = 1000
const tickMs = 50

export interface Young {
  readonly since: number
  readonly isDone: boolean
  /** Its second is over. */
  grownUp(): void
}

/** Watches deliveries that have a second to be made without a row. One timer for all, for there are many. */
export class FirstSecond {
  readonly #now: () => number
  readonly #young = new Queue<Young>()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(now: () => number) {
    this.#now = now
  }

  /** To be called in the order of `since`. */
  watch(one: Young): void {
    this.#young.push(one)
    this.#timer ??= setTimeout(() => this.#tick(), tickMs)
  }

  /** One is done: those at the head need not be kept until their time. */
  ended(): void {
    while (this.#young.peek()?.isDone === true) this.#young.shift()
  }

  #tick(): void {
    this.#timer = undefined
    const born = this.#now() - inlineMs
    for (let one = this.#young.peek(); one !== undefined; one = this.#young.peek()) {
      if (!one.isDone && one.since > born) break
      this.#young.shift()
      if (!one.isDone) one.grownUp()
    }
    if (this.#young.length > 0) this.#timer = setTimeout(() => this.#tick(), tickMs)
  }
}
