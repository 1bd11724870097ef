import type { ConsumeMessage } from 'amqplib'
import { GatewayError } from '../../../src/core/index.ts'
import { decodeEvent } from '../codec.ts'
import type { Channel, Link } from '../link.ts'
import { attemptOf, type Held } from './held.ts'
import type { Waiting } from './waiting.ts'

export interface SessionOptions {
  readonly topic: string
  readonly queue: string
  readonly prefetch: number
  readonly waiting: Waiting
  /** Something came, or the session ended. */
  readonly changed: () => void
}

/** One channel that consumes a queue, until it is lost: what it was given and did not settle goes back then. */
export class Session {
  readonly waiting: Waiting
  /** Given out and not settled, by delivery tag, in order. */
  readonly out = new Map<number, Held>()
  readonly #ended = new AbortController()
  readonly #channel: Channel
  readonly #options: SessionOptions
  /** The queue is gone, and not only the connection. */
  fault: GatewayError | undefined

  private constructor(channel: Channel, options: SessionOptions) {
    this.#channel = channel
    this.#options = options
    this.waiting = options.waiting
    channel.once('close', () => this.#end())
  }

  static async open(link: Link, options: SessionOptions): Promise<Session> {
    const channel = await link.channel()
    const session = new Session(channel, options)
    await channel.prefetch(options.prefetch)
    await channel.consume(options.queue, (message) => session.#take(message))
    return session
  }

  /** Aborts when what is unsettled is not this session's any more. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  get unsettled(): number {
    return this.out.size + this.waiting.size
  }

  /** Everything before the lowest that is unsettled with one frame. */
  acknowledge(all: readonly Held[]): void {
    for (const { tag } of all) this.out.delete(tag)
    const sorted = this.waiting.inTurn ? all.toSorted((a, b) => a.tag - b.tag) : []
    const [lowest = Number.POSITIVE_INFINITY] = this.out.keys()
    const limit = Math.min(lowest, this.waiting.oldest()?.tag ?? Number.POSITIVE_INFINITY)
    const upTo = sorted.findLast(({ tag }) => tag < limit)
    if (upTo !== undefined) this.#channel.ack(upTo.message, true)
    for (const held of all) {
      if (upTo === undefined || held.tag > upTo.tag) this.#channel.ack(held.message)
      this.waiting.done(held)
    }
  }

  /** It comes again as the next attempt: from here where its successors wait for it, else from the queue. */
  giveBack(held: Held): void {
    this.out.delete(held.tag)
    if (!this.waiting.back(held)) this.#channel.nack(held.message, false, true)
  }

  /** Resolves once the server has taken what was sent before: it answers a channel in order. */
  async taken(): Promise<void> {
    await this.#channel.prefetch(this.#options.prefetch)
  }

  async close(): Promise<void> {
    if (this.ended.aborted) return
    const ended = new Promise<void>((resolve) => this.ended.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([this.#channel.close(), ended]).catch(() => undefined)
    this.#end()
  }

  #take(message: ConsumeMessage | null): void {
    const { topic, queue, changed } = this.#options
    if (message === null) {
      this.fault = new GatewayError('not_found', `The group is gone: queue ${queue} was deleted.`)
      void this.close()
      return
    }
    this.waiting.add({
      message,
      tag: message.fields.deliveryTag,
      event: decodeEvent(message, topic),
      attempt: attemptOf(message),
      at: Date.now(),
      isSettled: false,
    })
    changed()
  }

  #end(): void {
    if (this.ended.aborted) return
    this.#ended.abort()
    this.#options.changed()
  }
}
