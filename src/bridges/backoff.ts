const firstMs = 200
const mostMs = 10_000

/** How long to wait after a failure: longer with each one after the other, and not in step with other replicas. */
export class Backoff {
  #next = firstMs

  next(): number {
    const wait = this.#next
    this.#next = Math.min(wait * 2, mostMs)
    return wait * (0.5 + Math.random() / 2)
  }

  reset(): void {
    this.#next = firstMs
  }
}
