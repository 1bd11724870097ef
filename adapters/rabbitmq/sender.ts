import { GatewayError, unlessAborted } from '../../src/core/index.ts'
import type { ConfirmChannel, Link, Options } from './link.ts'

const highWaterMark = 1024
/** Under an alarm the server answers nothing that is sent to it, for as long as that lasts. */
const sendMs = 5000

/** Puts messages into queues by their names, apart from what is published to topics. */
export class Sender {
  readonly #link: Link
  #channel: Promise<ConfirmChannel> | undefined

  constructor(link: Link) {
    this.#link = link
  }

  /**
   * Resolves once the message is stored in the queue; rejects with `not_found` where there is none, and with `unavailable`
   * where the server takes nothing or is silent: it may be stored later then.
   */
  async send(queue: string, content: Buffer, options: Options.Publish): Promise<void> {
    const { blocked } = this.#link
    if (blocked !== undefined) throw notTaken(queue, blocked)
    const sending = this.#send(queue, content, options).then(() => true)
    const isSent = await unlessAborted(sending, AbortSignal.timeout(sendMs))
    if (isSent === undefined) throw notTaken(queue, this.#link.blocked ?? 'it does not answer')
  }

  async #send(queue: string, content: Buffer, options: Options.Publish): Promise<void> {
    const channel = await this.#open()
    let isReturned = false
    // It comes before the confirmation; whose it is, the queue's name says.
    const returned = ({ fields }: { fields: { routingKey: string } }): void => {
      isReturned ||= fields.routingKey === queue
    }
    channel.on('return', returned)
    try {
      await new Promise<void>((resolve, reject) => {
        const sent = { ...options, persistent: true, mandatory: true }
        channel.sendToQueue(queue, content, sent, (error) => (error ? reject(error) : resolve()))
      })
    } finally {
      channel.off('return', returned)
    }
    if (isReturned) throw new GatewayError('not_found', `RabbitMQ has no queue ${queue} any more.`)
  }

  #open(): Promise<ConfirmChannel> {
    if (this.#channel !== undefined) return this.#channel
    const opening = this.#link.confirmChannel(highWaterMark)
    this.#channel = opening
    const forget = (): void => {
      if (this.#channel === opening) this.#channel = undefined
    }
    opening.then((channel) => channel.once('close', forget), forget)
    return opening
  }
}

function notTaken(queue: string, why: string): GatewayError {
  return new GatewayError('unavailable', `RabbitMQ takes nothing into queue ${queue}: ${why}.`, {
    retryAfterMs: sendMs,
  })
}
