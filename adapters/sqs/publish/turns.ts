import { unlessAborted } from '../../../src/core/index.ts'

/** Whoever sends messages of a group waits for those who began to before: requests overtake each other on their way. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Runs `send` after all earlier ones that share a group with it; undefined where `signal` aborts before. */
  async take<T>(groups: ReadonlySet<string>, signal: AbortSignal, send: () => Promise<T>): Promise<T | undefined> {
    const before = [...groups].flatMap((group) => this.#last.get(group) ?? [])
    const done = Promise.withResolvers<void>()
    const turn = Promise.all([...before, done.promise])
    for (const group of groups) this.#last.set(group, turn)
    try {
      if (before.length > 0 && (await unlessAborted(Promise.all(before), signal)) === undefined) return undefined
      return await send()
    } finally {
      done.resolve()
      turn.then(() => {
        for (const group of groups) if (this.#last.get(group) === turn) this.#last.delete(group)
      })
    }
  }
}
