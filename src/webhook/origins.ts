import { Origin, type OriginOptions } from './origin.ts'
import type { Identity } from './prepared.ts'
import type { Target } from './target.ts'

/** How many are remembered; those with a request under way are never forgotten. */
const maxOrigins = 10_000
/** How many connections without a request are kept to all of them. */
const maxKept = 1000

/** The origins in use. Their idle connections end by themselves; the one used least recently is forgotten first. */
export class Origins {
  readonly #byName = new Map<string, Origin>()
  readonly #options: Omit<OriginOptions, 'target' | 'context'>

  constructor(options: Omit<OriginOptions, 'target' | 'context' | 'kept'>) {
    this.#options = { ...options, kept: { count: 0, max: maxKept } }
  }

  get(target: Target, identity: Identity | undefined): Origin {
    const name = identity === undefined ? target.origin : `${target.origin} ${identity.name}`
    let origin = this.#byName.get(name)
    if (origin === undefined) {
      if (this.#byName.size >= maxOrigins) this.#forget()
      origin = new Origin({ ...this.#options, target, context: identity?.context })
      this.#byName.set(name, origin)
    }
    return origin
  }

  /** An eighth at once, so that not every new one has to look at all. */
  #forget(): void {
    const idle = [...this.#byName].filter(([, origin]) => !origin.busy)
    idle.sort(([, a], [, b]) => a.usedAt - b.usedAt)
    for (const [name, origin] of idle.slice(0, maxOrigins / 8)) {
      origin.close()
      this.#byName.delete(name)
    }
  }

  close(): void {
    for (const origin of this.#byName.values()) origin.close()
    this.#byName.clear()
  }
}
