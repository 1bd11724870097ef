import type { Draining } from '../../core/topic.ts'

/** Since when something is so of old bindings, as it was seen again and again. */
export class Lasting {
  readonly #since = new Map<Draining, number>()

  /** The time of `performance.now()`; undefined where it is not so. */
  since(draining: Draining, isSo: boolean): number | undefined {
    if (!isSo) {
      this.#since.delete(draining)
      return undefined
    }
    const since = this.#since.get(draining) ?? performance.now()
    this.#since.set(draining, since)
    return since
  }
}
