import { GatewayError } from '../../src/core/index.ts'
import type { Config } from './config.ts'
import type { Held } from './consume/held.ts'
import { translate } from './errors.ts'
import type { ConfirmChannel, Link } from './link.ts'
import { queueArguments } from './queues.ts'

/** What a dead letter has besides what its message had. */
const reasonHeader = 'sluice_reason'
const attemptsHeader = 'sluice_attempts'
const highWaterMark = 1024

/** Where groups put what they reject: a queue each, made with its first one. */
export class DeadLetters {
  readonly #link: Link
  readonly #config: Config
  readonly #declared = new Map<string, Promise<unknown>>()
  #channel: Promise<ConfirmChannel> | undefined

  constructor(link: Link, config: Config) {
    this.#link = link
    this.#config = config
  }

  /** Resolves once the message is stored in `queue`; only then may it leave the group. */
  async bury(queue: string, { message, attempt }: Held, reason: string): Promise<void> {
    await this.#declare(queue)
    const channel = await this.#open()
    // A dead letter does not expire, and whoever published the message is not who buries it: the server would refuse that.
    const { headers, expiration: _, userId: __, ...properties } = message.properties
    const options = {
      ...properties,
      persistent: true,
      mandatory: true,
      headers: { ...headers, [reasonHeader]: reason.slice(0, 2000), [attemptsHeader]: attempt },
    }
    let isReturned = false
    const returned = ({ content }: { content: Buffer }): void => {
      isReturned ||= content.equals(message.content)
    }
    channel.on('return', returned)
    try {
      await new Promise<void>((resolve, reject) => {
        channel.sendToQueue(queue, message.content, options, (error) => (error ? reject(error) : resolve()))
      })
    } catch (error) {
      throw translate(error, 'the dead letter')
    } finally {
      channel.off('return', returned)
    }
    if (!isReturned) return
    this.#declared.delete(queue)
    throw new GatewayError('unavailable', `Queue ${queue} was deleted: the event stays in its group.`)
  }

  #declare(queue: string): Promise<unknown> {
    const options = { durable: true, arguments: queueArguments(this.#config, this.#link.version) }
    const declaring = this.#declared.get(queue) ?? this.#link.with((channel) => channel.assertQueue(queue, options))
    this.#declared.set(queue, declaring)
    declaring.catch(() => this.#declared.delete(queue))
    return declaring
  }

  #open(): Promise<ConfirmChannel> {
    const opening = this.#channel ?? this.#link.confirmChannel(highWaterMark)
    this.#channel = opening
    const forget = (): void => {
      if (this.#channel === opening) this.#channel = undefined
    }
    opening.then((channel) => channel.once('close', forget), forget)
    return opening
  }
}
