/** How many attempts may run at once, of all lanes together. Lanes that found none are woken in the order they asked. */
export class Slots {
  #free: number
  readonly #asking = new Set<() => void>()

  constructor(max: number) {
    this.#free = max
  }

  /** Takes one; where there is none, `wake` is called when there may be one again. */
  take(wake: () => void): boolean {
    if (this.#free === 0) {
      this.#asking.add(wake)
      return false
    }
    this.#free--
    return true
  }

  /** Gives back what was taken just now and is not needed: whoever asked is being woken already, or nobody did. */
  putBack(): void {
    this.#free++
  }

  give(): void {
    this.#free++
    for (const wake of this.#asking) {
      this.#asking.delete(wake)
      wake()
      if (this.#free === 0) return
    }
  }
}
