import {
  type Batch,
  type Consumer,
  type Delivery,
  eventBytes,
  GatewayError,
  type OpenOptions,
  type PullOptions,
  type Settlement,
  type SettleResult,
  unlessAborted,
} from '../../../src/core/index.ts'
import { second } from '../capabilities.ts'
import { pause } from '../client.ts'
import { decodeMessage } from '../codec.ts'
import type { GroupQueue } from './group-queue.ts'
import { Heartbeat } from './heartbeat.ts'
import type { GroupHub } from './hub.ts'
import { type Received, Receiver } from './receiver.ts'
import { Settler } from './settler.ts'
import { writeToken } from './token.ts'

const pauseMs = { first: 100, most: 1000 }
const closeMs = 4000
/** With fewer attempts none may be lost to an event that went back undelivered: other gateways do not know that it did. */
const leastAttempts = 10

/** One of a group's consumers. */
export class SqsConsumer implements Consumer {
  readonly #group: GroupQueue
  readonly #hub: GroupHub
  readonly #prefetch: number
  readonly #holdsKeys: boolean
  readonly #receiver: Receiver
  readonly #settler: Settler
  readonly #heartbeat: Heartbeat | undefined
  readonly #ending = new AbortController()
  /** Requests whose answers may still bring something. */
  readonly #asking = new Set<Promise<unknown>>()
  readonly #left: () => void
  #asked = 0
  #closing: Promise<void> | undefined

  /** `left` is told when it is closed. */
  constructor(group: GroupQueue, { prefetch, holdKeys = true }: OpenOptions, left: () => void) {
    this.#group = group
    this.#hub = group.hub
    this.#prefetch = prefetch
    this.#holdsKeys = group.fifo && holdKeys
    this.#receiver = new Receiver(group.queue, group.leaseMs)
    if (this.#holdsKeys && group.maxAttempts < leastAttempts) this.#receiver.oneByOne()
    this.#settler = new Settler(group)
    // Its own group is what the gateway alone holds, and for as long as it runs.
    this.#heartbeat = holdKeys ? undefined : new Heartbeat(group, this)
    this.#left = left
  }

  async pull({ max, waitMs, signal }: PullOptions): Promise<Batch> {
    if (this.#closing !== undefined) throw closed()
    const end = Date.now() + waitMs
    const over = AbortSignal.any([signal, this.#ending.signal, this.#hub.revoked])
    let failure: GatewayError | undefined
    let wait = pauseMs.first
    do {
      if (this.#hub.revoked.aborted) throw new GatewayError('not_found', 'There is no such group of this topic.')
      await this.#group.check()
      const wanted = Math.min(max, this.#free())
      if (wanted <= 0) {
        await this.#room(Math.max(1, end - Date.now()), over)
        continue
      }
      const taken = await this.#take(wanted, over).catch((error: unknown) => {
        if (!(error instanceof GatewayError) || !error.retryable) throw error
        return error
      })
      failure = taken instanceof GatewayError ? taken : undefined
      if (taken instanceof GatewayError) {
        await pause(Math.min(wait, Math.max(0, end - Date.now())), over)
        wait = Math.min(2 * wait, pauseMs.most)
      } else if (taken.length > 0) return this.#batch(taken)
    } while (Date.now() < end && !over.aborted)
    // An empty answer says that nothing was there, which a failed one does not.
    if (failure !== undefined && !over.aborted) throw failure
    return this.#batch([])
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettleResult[]> {
    if (this.#closing !== undefined) throw closed()
    return this.#settler.settle(settlements)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close(true)
    return this.#closing
  }

  /** Ends pulls, and leaves leases as they are: the connection is closed. */
  leave(): Promise<void> {
    this.#closing ??= this.#close(false)
    return this.#closing
  }

  async #close(givesBack: boolean): Promise<void> {
    this.#ending.abort()
    this.#heartbeat?.stop()
    // What is asked for comes within a second, unless SQS is gone.
    const late = new AbortController()
    await Promise.race([Promise.allSettled(this.#asking), pause(closeMs, late.signal)])
    late.abort()
    if (givesBack) {
      const held = this.#hub.handlesOf(this)
      await this.#giveBack(held.map(({ handle, until }) => ({ handle, until }))).catch(() => {})
    }
    this.#left()
  }

  #batch(deliveries: readonly Delivery[]): Batch {
    return { deliveries, epoch: 1, revoked: this.#hub.revoked }
  }

  /** What is there by now, or empty where `over` aborts first; what comes after that goes back to the queue. */
  #take(wanted: number, over: AbortSignal): Promise<readonly Delivery[]> {
    this.#asked += wanted
    const asking = this.#ask(wanted).finally(() => {
      this.#asked -= wanted
    })
    return new Promise((resolve, reject) => {
      let isWaiting = true
      const stop = () => {
        isWaiting = false
        resolve([])
      }
      const late = setTimeout(() => {
        isWaiting = false
        reject(new GatewayError('unavailable', 'SQS does not answer.', { retryAfterMs: 1000 }))
      }, this.#group.queue.timeoutMs + second)
      const heard = () => {
        clearTimeout(late)
        over.removeEventListener('abort', stop)
      }
      if (over.aborted) stop()
      else over.addEventListener('abort', stop, { once: true })
      const taking = asking.then(
        async (received) => {
          heard()
          if (isWaiting) resolve(await this.#deliveries(received))
          else await this.#undelivered(received)
        },
        (error: unknown) => {
          heard()
          reject(error)
        },
      )
      const done = () => this.#asking.delete(taking)
      this.#asking.add(taking)
      taking.then(done, (error: unknown) => {
        done()
        reject(error)
      })
    })
  }

  async #ask(wanted: number): Promise<Received[]> {
    const first = await this.#receiver.first(wanted)
    if (first.length === 0 || first.length >= wanted) return this.#firstOfKeys(first)
    return this.#firstOfKeys([...first, ...(await this.#receiver.more(wanted - first.length))])
  }

  /** Where keys are held back: of each the first. What came with it goes back, and does not come so again. */
  async #firstOfKeys(received: readonly Received[]): Promise<Received[]> {
    if (!this.#holdsKeys) return [...received]
    const seen = new Set<string>()
    const [firsts, others]: [Received[], Received[]] = [[], []]
    for (const one of received) {
      const group = one.message.Attributes?.MessageGroupId ?? ''
      if (seen.has(group)) others.push(one)
      else firsts.push(one)
      seen.add(group)
    }
    if (others.length === 0) return firsts
    this.#receiver.oneByOne()
    await this.#undelivered(others)
    return firsts
  }

  /** Gives back what nobody was given. */
  async #undelivered(received: readonly Received[]): Promise<void> {
    for (const { message } of received) this.#hub.returned(message.MessageId!)
    await this.#giveBack(received.map(({ message, until }) => ({ handle: message.ReceiptHandle!, until })))
  }

  /** What has been given too often already becomes a dead letter instead. */
  async #deliveries(received: readonly Received[]): Promise<readonly Delivery[]> {
    const deliveries: Delivery[] = []
    const dying: Promise<unknown>[] = []
    for (const { message, receivedAt, until } of received) {
      const { event } = decodeMessage(message, this.#group.topic)
      const handle = message.ReceiptHandle!
      const receipts = Number(message.Attributes?.ApproximateReceiveCount ?? 1)
      const attempt = Math.max(1, receipts - this.#hub.returnsOf(message.MessageId!))
      const lease = { handle, messageId: message.MessageId!, attempt, receivedAt, until }
      const sentAt = Number(message.Attributes?.SentTimestamp ?? receivedAt)
      this.#hub.hold(handle, { owner: this, sentAt, receivedAt, until, event, bytes: eventBytes(event) })
      if (attempt > this.#group.maxAttempts) dying.push(this.#settler.exhaust(lease, event))
      else deliveries.push({ event, receipt: writeToken(lease), attempt, expiresAt: until })
    }
    await Promise.all(dying)
    return deliveries
  }

  async #giveBack(held: readonly { readonly handle: string; readonly until: number }[]): Promise<void> {
    await this.#group.queue.hide(held.map(({ handle }) => ({ handle, seconds: 0 })))
    for (const { handle, until } of held) this.#hub.end(handle, 'nack', until)
  }

  #free(): number {
    const free = this.#prefetch - this.#hub.countOf(this) - this.#asked
    if (free > 0) return free
    this.#hub.expire(this)
    return this.#prefetch - this.#hub.countOf(this) - this.#asked
  }

  /** Resolves when it may hold more, or time is up. */
  async #room(left: number, over: AbortSignal): Promise<void> {
    const first = this.#hub.expire(this)
    const timer = AbortSignal.timeout(Math.min(left, Math.max(1, first - Date.now())))
    await unlessAborted(this.#hub.changed, AbortSignal.any([over, timer]))
  }
}

function closed(): GatewayError {
  return new GatewayError('unavailable', 'The consumer is closed.')
}
