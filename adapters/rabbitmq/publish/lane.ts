import type { Message as Returned } from 'amqplib'
import { type Event, GatewayError, type ItemError, type PublishResult } from '../../../src/core/index.ts'
import { isMessageOf, type Message } from '../codec.ts'
import { translate, wordsOf } from '../errors.ts'
import type { ConfirmChannel } from '../link.ts'
import { Call } from './call.ts'

export interface Outgoing {
  readonly event: Event
  readonly message: Message
  readonly routingKey: string
}

interface Confirmation {
  readonly deliveryTag: number
  readonly multiple: boolean
}

const refusedAccess = 403
/** What is sent and not confirmed, of one topic. Beyond it nothing is sent. */
const outstandingMax = 64 << 20

/**
 * One topic's channel: what is refused there ends nobody else's. Everything is written at once, in order, and confirmed
 * by tags.
 */
export class Lane {
  readonly #topic: string
  readonly #channel: ConfirmChannel
  readonly #calls: Call[] = []
  #next = 1
  #outstanding = 0
  /** Returns come in the order of publishing: the next one is behind this tag. */
  #lastReturned = 0
  #isOpen = true
  /** Why the server ended the channel. */
  #error: (Error & { code?: number }) | undefined
  /** Something was confirmed here: the user may write. */
  #isProven = false

  constructor(topic: string, channel: ConfirmChannel) {
    this.#topic = topic
    this.#channel = channel
    channel.on('ack', (confirmation) => this.#confirm(confirmation))
    channel.on('nack', (confirmation) => this.#confirm(confirmation, refused))
    channel.on('return', (message) => this.#return(message))
    channel.once('error', (error) => {
      this.#error = error
    })
    channel.once('close', () => this.#close())
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get isIdle(): boolean {
    return this.#calls.length === 0
  }

  /** Answers once everything is confirmed, or given up by `abandon`, `signal` or the end of the channel. */
  async publish(all: readonly Outgoing[], bytes: number, signal: AbortSignal): Promise<readonly PublishResult[]> {
    if (this.#outstanding + bytes > outstandingMax && this.#calls.length > 0) {
      const detail = 'RabbitMQ confirms more slowly than is published; nothing of this was sent.'
      throw new GatewayError('throttled', detail, { retryAfterMs: 1000 })
    }
    const events = all.map(({ event }) => event)
    const call = new Call(events, this.#next, bytes)
    this.#calls.push(call)
    this.#outstanding += bytes
    this.#next += all.length
    this.#send(all)
    const late = () => call.abandon(unknown('in time').toItem())
    signal.addEventListener('abort', late, { once: true })
    try {
      return await call.results
    } finally {
      signal.removeEventListener('abort', late)
    }
  }

  #send(all: readonly Outgoing[]): void {
    try {
      for (const { message, routingKey } of all) {
        this.#channel.publish(this.#topic, routingKey, message.content, message.options)
      }
    } catch {
      // The channel is closed, or this message broke it: the count of tags is not to be relied on any more.
      this.#close()
      void this.close()
    }
  }

  /** Whoever waits is told that the outcome is not known. */
  abandon(why: ItemError): void {
    for (const call of this.#calls) call.abandon(why)
  }

  async close(): Promise<void> {
    try {
      await this.#channel.close()
    } catch {
      // It is closed already.
    }
  }

  #confirm({ deliveryTag, multiple }: Confirmation, error?: ItemError): void {
    this.#isProven = true
    for (const call of this.#calls) {
      if (call.first > deliveryTag) break
      if (multiple) for (let tag = call.first; tag <= deliveryTag && tag < call.end; tag++) call.confirm(tag, error)
      else if (deliveryTag < call.end) call.confirm(deliveryTag, error)
    }
    while (this.#calls[0]?.isDone) this.#outstanding -= this.#calls.shift()!.bytes
  }

  /** It comes before the confirmation of the same message. */
  #return(message: Returned): void {
    for (const call of this.#calls) {
      for (let tag = Math.max(call.first, this.#lastReturned + 1); tag < call.end; tag++) {
        const event = call.openEvent(tag)
        if (event === undefined || !isMessageOf(message, event)) continue
        this.#lastReturned = tag
        call.returned(tag, unroutable(this.#topic))
        return
      }
    }
  }

  #close(): void {
    this.#isOpen = false
    // A permission is asked for with a channel's first message, and holds for those that follow.
    if (this.#error?.code === refusedAccess && !this.#isProven) {
      const error = translate(this.#error, `the publishing to exchange ${this.#topic}`).toItem()
      for (const call of this.#calls) call.abandon(error, 'failed')
    } else {
      const why = this.#error === undefined ? '' : ` (${wordsOf(this.#error)})`
      this.abandon(unknown(`before the connection ended${why}`).toItem())
    }
    this.#calls.length = 0
  }
}

function unknown(when: string): GatewayError {
  const detail = `RabbitMQ did not confirm the event ${when}; it may have stored it. Publish it again with the same id.`
  return new GatewayError('unknown_outcome', detail)
}

/** Some of the queues that it was routed to may have it nevertheless. */
const refused = new GatewayError(
  'unknown_outcome',
  'RabbitMQ refused the event for at least one queue, which is full or has no leader. Publish it again with the same id.',
).toItem()

function unroutable(topic: string): ItemError {
  const detail = `No group takes the event, and RabbitMQ keeps none without: create a group or a subscription of topic ${topic}, or bind a queue to exchange ${topic}.`
  return new GatewayError('unprocessable', detail).toItem()
}
