import type { Appender } from './append.ts'
import type { Operations } from './operations.ts'
import type { Topics } from './topics.ts'

/** Takes what is published: tells duplicates apart, then appends, or keeps what is delayed. */
export class Intake {
  readonly #topics: Topics
  readonly #appender: Appender
  readonly #now: () => number

  constructor(topics: Topics, appender: Appender, now: () => number) {
    this.#topics = topics
    this.#appender = appender
    this.#now = now
  }

  publish({ topic, records }: Parameters<Operations['publish']>[0]): ReturnType<Operations['publish']> {
    const found = this.#topics.get(topic)
    const first = this.#appender.append(found, records, null, this.#now())
    return { first, duplicates: null }
  }
}
