import { GatewayError } from '../../src/core/index.ts'
import type { Config } from './config.ts'
import type { Held } from './consume/held.ts'
import { translate } from './errors.ts'
import type { Link } from './link.ts'
import { queueArguments } from './queues.ts'
import type { Sender } from './sender.ts'

/** What a dead letter has besides what its message had. */
const reasonHeader = 'sluice_reason'
const attemptsHeader = 'sluice_attempts'

/** Where groups put what they reject: a queue each, made with its first one. */
export class DeadLetters {
  readonly #link: Link
  readonly #sender: Sender
  readonly #config: Config
  readonly #declared = new Map<string, Promise<unknown>>()

  constructor(link: Link, sender: Sender, config: Config) {
    this.#link = link
    this.#sender = sender
    this.#config = config
  }

  /** Resolves once the message is stored in `queue`; only then may it leave the group. */
  async bury(queue: string, { message, attempt }: Held, reason: string): Promise<void> {
    // A dead letter does not expire, and whoever published the message is not who buries it: the server would refuse that.
    const { headers, expiration: _, userId: __, ...properties } = message.properties
    const marks = { [reasonHeader]: reason.slice(0, 2000), [attemptsHeader]: attempt }
    try {
      await this.#declare(queue)
      await this.#sender.send(queue, message.content, { ...properties, headers: { ...headers, ...marks } })
    } catch (thrown) {
      const error = translate(thrown, `the dead letter in queue ${queue}`)
      if (error.code !== 'not_found') throw error
      this.#declared.delete(queue)
      throw new GatewayError('unavailable', `Queue ${queue} was deleted: the event stays in its group.`)
    }
  }

  #declare(queue: string): Promise<unknown> {
    const options = { durable: true, arguments: queueArguments(this.#config) }
    const declaring = this.#declared.get(queue) ?? this.#link.with((channel) => channel.assertQueue(queue, options))
    this.#declared.set(queue, declaring)
    declaring.catch(() => this.#declared.delete(queue))
    return declaring
  }
}
