import type { Consumer, Settlement } from '../core/broker.ts'
import type { DeliveryContext } from './context.ts'

/** Acknowledges what is done to the broker, what comes in one turn of the event loop together. */
export class Settler {
  readonly #context: DeliveryContext
  readonly #consumer: Consumer
  #waiting: Settlement[] = []
  #busy: Promise<void> | undefined

  constructor(context: DeliveryContext, consumer: Consumer) {
    this.#context = context
    this.#consumer = consumer
  }

  ack(receipt: string): void {
    this.#waiting.push({ receipt, outcome: { kind: 'ack' } })
    this.#busy ??= this.#drain()
  }

  async idle(): Promise<void> {
    while (this.#busy !== undefined) await this.#busy
  }

  /** What cannot be settled comes again: its deliveries have rows, or are made once more. */
  async #drain(): Promise<void> {
    await undefined
    const { failpoint, log } = this.#context
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      failpoint?.('before-settle')
      await this.#consumer.settle(batch).catch((error: unknown) => {
        log('warn', 'Events could not be settled; they come again.', { cause: String(error) })
      })
      failpoint?.('after-settle')
    }
    this.#busy = undefined
  }
}
