import type { Consumer, Settlement } from '../core/broker.ts'
import type { DeliveryContext } from './context.ts'

/**
 * How long what is done is gathered before it is acknowledged, and how much at the most: a broker writes each call down,
 * and what is published waits while it does. A crash in between repeats so much more.
 */
const gatherMs = 10
const gatherMax = 256

/** Acknowledges what is done to the broker, many together. */
export class Settler {
  readonly #context: DeliveryContext
  readonly #consumer: Consumer
  #waiting: Settlement[] = []
  #busy: Promise<void> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(context: DeliveryContext, consumer: Consumer) {
    this.#context = context
    this.#consumer = consumer
  }

  ack(receipt: string): void {
    this.#waiting.push({ receipt, outcome: { kind: 'ack' } })
    if (this.#busy === undefined) this.#gather()
  }

  /** Resolves once all is acknowledged, without gathering any more. */
  async idle(): Promise<void> {
    while (this.#busy !== undefined || this.#waiting.length > 0) {
      this.#begin()
      await this.#busy
    }
  }

  #gather(): void {
    if (this.#waiting.length >= gatherMax) this.#begin()
    else if (this.#waiting.length > 0) this.#timer ??= setTimeout(() => this.#begin(), gatherMs)
  }

  #begin(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#busy ??= this.#settle()
  }

  /** What cannot be settled comes again: its deliveries have rows, or are made once more. */
  async #settle(): Promise<void> {
    const { failpoint, log } = this.#context
    const batch = this.#waiting
    this.#waiting = []
    failpoint?.('before-settle')
    await this.#consumer.settle(batch).catch((error: unknown) => {
      log('warn', 'Events could not be settled; they come again.', { cause: String(error) })
    })
    failpoint?.('after-settle')
    this.#busy = undefined
    this.#gather()
  }
}
