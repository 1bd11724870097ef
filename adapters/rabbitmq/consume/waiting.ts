import { keyOf } from '../../../src/core/index.ts'
import type { Held } from './held.ts'

/** What came and was not given out yet, in order. */
export interface Waiting {
  readonly size: number
  /** Whether what is given out first came first. */
  readonly inTurn: boolean
  add(held: Held): void
  take(max: number): Held[]
  /** It was given out, and is settled. */
  done(held: Held): void
  /** It was given out, and is due again before its successors. Answers whether it waits here. */
  back(held: Held): boolean
  oldest(): Held | undefined
}

/** Everything as it came. */
export class InTurn implements Waiting {
  readonly inTurn = true
  #ready: Held[] = []

  get size(): number {
    return this.#ready.length
  }

  add(held: Held): void {
    this.#ready.push(held)
  }

  take(max: number): Held[] {
    if (max < this.#ready.length) return this.#ready.splice(0, max)
    const all = this.#ready
    this.#ready = []
    return all
  }

  done(): void {}

  back(): boolean {
    return false
  }

  oldest(): Held | undefined {
    return this.#ready[0]
  }
}

/** Of each key one at a time. */
export class KeyByKey implements Waiting {
  readonly inTurn = false
  readonly #ready = new InTurn()
  /** What waits for the unsettled event of its key. */
  readonly #behind = new Map<string, Held[]>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(held: Held): void {
    this.#size++
    const key = keyOf(held.event)
    const behind = key === undefined ? undefined : this.#behind.get(key)
    if (behind !== undefined) behind.push(held)
    else {
      if (key !== undefined) this.#behind.set(key, [])
      this.#ready.add(held)
    }
  }

  take(max: number): Held[] {
    const taken = this.#ready.take(max)
    this.#size -= taken.length
    return taken
  }

  done({ event }: Held): void {
    const key = keyOf(event)
    if (key === undefined) return
    const next = this.#behind.get(key)?.shift()
    if (next === undefined) this.#behind.delete(key)
    else this.#ready.add(next)
  }

  back(held: Held): boolean {
    this.#size++
    held.attempt++
    held.isSettled = false
    this.#ready.add(held)
    return true
  }

  oldest(): Held | undefined {
    return this.#ready.oldest()
  }
}
