import { dedupWindowMs } from '../capabilities.ts'

/** So many ids are remembered: a few MB. */
const most = 50_000

/**
 * What this process had stored within the last minutes. AWS deduplicates, and does not say so: only what is known here to
 * be stored already can be called a duplicate.
 */
export class Recent {
  /** When the request that stored it began, by id; oldest first. */
  readonly #sent = new Map<string, number>()

  /** Notes that it is stored, and answers whether it was before. */
  note(id: string, began: number): boolean {
    const now = Date.now()
    const first = this.#sent.get(id)
    if (first !== undefined && now < first + dedupWindowMs) return true
    this.#sent.delete(id)
    this.#sent.set(id, began)
    for (const [old, at] of this.#sent) {
      if (at + dedupWindowMs > now && this.#sent.size <= most) break
      this.#sent.delete(old)
    }
    return false
  }
}
