import { Queue } from './queue.ts'

export const inlineMs = 1000
const tickMs = 50

export interface Young {
  readonly isDone: boolean
  /** Its second is over; true where it may have another one. */
  grownUp(): boolean
}

/** Watches deliveries that have a second to be made without a row. One timer for all, for there are many. */
export class FirstSecond {
  readonly #now: () => number
  readonly #young = new Queue<{ readonly one: Young; readonly since: number }>()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(now: () => number) {
    this.#now = now
  }

  watch(one: Young): void {
    this.#young.push({ one, since: this.#now() })
    this.#timer ??= setTimeout(() => this.#tick(), tickMs)
  }

  /** One is done: those at the head need not be kept until their time. */
  ended(): void {
    while (this.#young.peek()?.one.isDone === true) this.#young.shift()
  }

  #tick(): void {
    this.#timer = undefined
    const born = this.#now() - inlineMs
    for (let head = this.#young.peek(); head !== undefined; head = this.#young.peek()) {
      const { one, since } = head
      if (!one.isDone && since > born) break
      this.#young.shift()
      if (!one.isDone && one.grownUp()) this.watch(one)
    }
    if (this.#young.length > 0) this.#timer ??= setTimeout(() => this.#tick(), tickMs)
  }
}
