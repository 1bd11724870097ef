import { GatewayError } from '../../../src/core/index.ts'
import type { ConfirmChannel, Link } from '../link.ts'

const probeEveryMs = 500
/** An alarm that is over so soon has hurt nobody. */
const graceMs = 1000
const nobody = 'sluice.probe'
const nothing = Buffer.alloc(0)

/**
 * Whether the server takes publishes. It tells of a memory or disk alarm only whoever publishes, and stops reading there;
 * so something that no queue gets is published every now and then, and an event is not sent into an alarm to find out.
 */
export class Alarm {
  readonly #link: Link
  /** Told when an alarm has lasted: what was sent before may wait for its end. */
  readonly #lasting: (error: GatewayError) => void
  readonly #timer: NodeJS.Timeout
  #grace: NodeJS.Timeout | undefined
  #probing: Promise<void> | undefined
  #channel: ConfirmChannel | undefined
  /** The user may not publish to the default exchange: then alarms are noticed by events only. */
  #isForbidden = false

  constructor(link: Link, lasting: (error: GatewayError) => void) {
    this.#link = link
    this.#lasting = lasting
    link.onBlocked = () => this.#changed()
    this.#timer = setInterval(() => this.probe().catch(() => undefined), probeEveryMs)
    this.#timer.unref()
  }

  /** Throws `unavailable` while the server takes nothing. */
  check(): void {
    const error = this.#error()
    if (error !== undefined) throw error
  }

  /** Resolves once the server has taken something, or is known to take nothing; then `check` throws. */
  probe(): Promise<void> {
    this.#probing ??= this.#probe().finally(() => {
      this.#probing = undefined
    })
    return this.#probing
  }

  close(): void {
    clearInterval(this.#timer)
    clearTimeout(this.#grace)
  }

  #error(): GatewayError | undefined {
    const { blocked } = this.#link
    if (blocked === undefined) return undefined
    const detail = `RabbitMQ takes no events: ${blocked}. It will again once the alarm is over.`
    return new GatewayError('unavailable', detail, { retryAfterMs: 5000 })
  }

  #changed(): void {
    clearTimeout(this.#grace)
    const error = this.#error()
    if (error === undefined) return
    this.#answered()
    this.#grace = setTimeout(() => this.#lasting(error), graceMs)
    this.#grace.unref()
  }

  #answered: () => void = () => undefined

  async #probe(): Promise<void> {
    if (this.#link.blocked !== undefined || this.#isForbidden) return
    const fault = this.#link.fault
    if (fault !== undefined) throw fault
    const channel = this.#channel ?? (await this.#open())
    await new Promise<void>((resolve) => {
      this.#answered = resolve
      channel.publish('', nobody, nothing, {}, () => resolve())
    })
  }

  async #open(): Promise<ConfirmChannel> {
    const channel = await this.#link.confirmChannel(1)
    channel.once('error', (error: Error & { code?: number }) => {
      if (error.code === 403) this.#isForbidden = true
    })
    channel.once('close', () => {
      this.#channel = undefined
    })
    this.#channel = channel
    return channel
  }
}
