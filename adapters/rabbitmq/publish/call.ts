import type { Event, ItemError, PublishResult } from '../../../src/core/index.ts'

/** What was published together on one channel, and what is known of it. */
export class Call {
  /** The delivery tag of its first message. */
  readonly first: number
  readonly bytes: number
  readonly results: Promise<readonly PublishResult[]>
  readonly #count: number
  /** Kept to the last confirmation: what comes back late is told apart from what is tried again with its id. */
  readonly #events: readonly Event[]
  #isAnswered = false
  readonly #answers: (PublishResult | undefined)[]
  /** Told to be unroutable: what RabbitMQ then confirms is that it dropped them. */
  #returned: Map<number, ItemError> | undefined
  #open: number
  readonly #resolve: (results: readonly PublishResult[]) => void

  constructor(events: readonly Event[], first: number, bytes: number) {
    this.first = first
    this.bytes = bytes
    this.#count = events.length
    this.#open = events.length
    this.#events = events
    this.#answers = new Array(events.length)
    const { promise, resolve } = Promise.withResolvers<readonly PublishResult[]>()
    this.results = promise
    this.#resolve = resolve
  }

  /** The delivery tag after its last message. */
  get end(): number {
    return this.first + this.#count
  }

  get isDone(): boolean {
    return this.#open === 0
  }

  /** The event with this tag, where it is not confirmed. */
  openEvent(tag: number): Event | undefined {
    const index = tag - this.first
    return this.#answers[index] === undefined ? this.#events[index] : undefined
  }

  returned(tag: number, error: ItemError): void {
    this.#returned ??= new Map()
    this.#returned.set(tag - this.first, error)
  }

  /** The server answered for this message: with an error where it did not take it. */
  confirm(tag: number, error?: ItemError): void {
    const index = tag - this.first
    if (this.#answers[index] !== undefined) return
    const id = this.#events[index]!.attributes.id
    const refused = this.#returned?.get(index)
    if (refused !== undefined) this.#answers[index] = { id, status: 'failed', error: refused }
    else if (error !== undefined) this.#answers[index] = { id, status: 'unknown', error }
    else this.#answers[index] = { id, status: 'stored' }
    this.#open--
    if (this.#open === 0 && !this.#isAnswered) this.#answer(this.#answers as PublishResult[])
  }

  /** Whoever waits is answered now; what is not confirmed may be stored, or become so, unless it is known to have failed. */
  abandon(error: ItemError, status: 'unknown' | 'failed' = 'unknown'): void {
    if (this.#isAnswered) return
    const answers = this.#events.map(({ attributes }, index): PublishResult => {
      return this.#answers[index] ?? { id: attributes.id, status, error }
    })
    this.#answer(answers)
  }

  #answer(results: readonly PublishResult[]): void {
    this.#isAnswered = true
    this.#resolve(results)
  }
}
