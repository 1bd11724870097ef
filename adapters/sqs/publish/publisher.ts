import {
  BrokenKeys,
  type Event,
  eventBytes,
  GatewayError,
  type PublishOptions,
  type PublishResult,
} from '../../../src/core/index.ts'
import { maxEventBytesOf, reservedBytes, second } from '../capabilities.ts'
import { pause } from '../client.ts'
import { encodeEvent } from '../codec.ts'
import type { Config } from '../config.ts'
import { mayBeDone } from '../errors.ts'
import { dedupIdOf, messageGroupOf } from '../fifo.ts'
import { batchesOf, type Placed, wavesOf } from './plan.ts'
import { Recent } from './recent.ts'
import type { Sender } from './sender.ts'
import { Turns } from './turns.ts'

/** Requests of one publish that are on their way at once: so many, and so many that are full. */
const lanes = 16
const fullLanes = 4
/** How often a message is tried again that was not stored, or where AWS takes the second for the first. */
const tries = 3
const pauseMs = 100

/** Publishing to the topics of one broker. */
export class Publisher {
  readonly #maxMessageBytes: number
  readonly #maxEventBytes: number
  readonly #fifo: boolean
  /** By topic. */
  readonly #topics = new Map<
    string,
    { readonly turns: Turns; readonly recent: Recent; readonly running: Set<Promise<unknown>> }
  >()

  constructor(config: Config) {
    this.#maxMessageBytes = config.maxMessageSize
    this.#maxEventBytes = maxEventBytesOf(config)
    this.#fifo = config.fifo
  }

  publish(topic: string, sender: Sender, events: readonly Event[], options: PublishOptions): Promise<PublishResult[]> {
    const { running } = this.#topic(topic)
    const publishing = this.#publish(topic, sender, events, options)
    running.add(publishing)
    const ended = () => running.delete(publishing)
    publishing.then(ended, ended)
    return publishing
  }

  /** Resolves when every publish that has begun by now has ended; of one topic, or of all. */
  async idle(topic?: string): Promise<void> {
    const topics = topic === undefined ? [...this.#topics.values()] : [this.#topic(topic)]
    await Promise.allSettled(topics.flatMap(({ running }) => [...running]))
  }

  async #publish(
    topic: string,
    sender: Sender,
    events: readonly Event[],
    options: PublishOptions,
  ): Promise<PublishResult[]> {
    const { delayMs = 0, signal } = options
    const results = new Array<PublishResult>(events.length)
    /** Of events that are refused before anything is sent: only what comes after them is held up. */
    const refused = new BrokenKeys()
    /** Of events that were sent in vain. */
    const broken = new BrokenKeys()
    const messages: Placed[] = []
    for (const [place, event] of events.entries()) {
      const refusal = refused.refusal(event)
      if (refusal !== undefined) {
        results[place] = refusal
        continue
      }
      const message = encodeEvent(event)
      if (eventBytes(event) > this.#maxEventBytes || message.bytes > this.#maxMessageBytes - reservedBytes) {
        refused.add(event)
        results[place] = resultOf(event, tooLarge(this.#maxEventBytes))
        continue
      }
      const fifo = { group: messageGroupOf(event), dedup: dedupIdOf(event) }
      messages.push(this.#fifo ? { place, message, fifo } : { place, message })
    }
    const delay = Math.ceil(delayMs / second)
    const send = async (batch: readonly Placed[]) => {
      const began = Date.now()
      const outcomes = await this.#deliver(sender, batch, delay, signal)
      for (const [i, { place, fifo }] of batch.entries()) {
        const duplicate =
          outcomes[i] === undefined && fifo !== undefined && this.#topic(topic).recent.note(fifo.dedup, began)
        results[place] = resultOf(events[place]!, outcomes[i], duplicate)
        if (outcomes[i] !== undefined) broken.add(events[place]!)
      }
    }
    if (!this.#fifo) {
      await inLanes(batchesOf(messages, this.#maxMessageBytes), this.#maxMessageBytes, send)
      return results
    }
    const groups = new Set(messages.map(({ fifo }) => fifo!.group))
    const sent = await this.#topic(topic).turns.take(groups, signal, async () => {
      for (const wave of wavesOf(messages)) {
        const left = wave.filter(({ place }) => {
          const refusal = broken.refusal(events[place]!)
          if (refusal !== undefined) results[place] = refusal
          return refusal === undefined
        })
        await inLanes(batchesOf(left, this.#maxMessageBytes), this.#maxMessageBytes, send)
      }
      return true
    })
    if (sent === undefined) for (const { place } of messages) results[place] = resultOf(events[place]!, notInTime)
    return results
  }

  /** One outcome per message: undefined is stored. What is known not to be stored is tried again, and what AWS would know. */
  async #deliver(sender: Sender, batch: readonly Placed[], delay: number, signal: AbortSignal) {
    const outcomes = new Array<GatewayError | undefined>(batch.length).fill(notInTime)
    let left = batch.map((one, i) => ({ one, i }))
    for (let attempt = 1; left.length > 0 && !signal.aborted; attempt++) {
      const answered = await answersOf(
        sender,
        left.map(({ one }) => one),
        delay,
        signal,
      )
      for (const [n, { i }] of left.entries()) outcomes[i] = laterOf(outcomes[i], answered[n])
      left = left.filter(({ i }) => this.#again(outcomes[i]))
      if (attempt === tries || left.length === 0) break
      await pause(pauseMs * 2 ** attempt, signal)
    }
    return outcomes
  }

  #again(outcome: GatewayError | undefined): boolean {
    return outcome?.retryable === true && (this.#fifo || !mayBeDone(outcome))
  }

  #topic(name: string) {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = { turns: new Turns(), recent: new Recent(), running: new Set() }
      this.#topics.set(name, topic)
    }
    return topic
  }
}

async function answersOf(sender: Sender, batch: readonly Placed[], delay: number, signal: AbortSignal) {
  try {
    return await sender.send(batch, delay, signal)
  } catch (error) {
    if (error instanceof GatewayError) return batch.map(() => error)
    throw error
  }
}

/** A message that may be stored stays so, however its next try was refused. */
function laterOf(earlier: GatewayError | undefined, later: GatewayError | undefined): GatewayError | undefined {
  return earlier !== undefined && later !== undefined && mayBeDone(earlier) ? earlier : later
}

/** Sends all of them, a few at a time. */
async function inLanes(batches: readonly Placed[][], maxBytes: number, send: (batch: Placed[]) => Promise<void>) {
  const bytes = batches.reduce((sum, batch) => sum + batch.reduce((size, one) => size + one.message.bytes, 0), 0)
  const fits = Math.floor((fullLanes * maxBytes * batches.length) / Math.max(1, bytes))
  let next = 0
  const lane = async () => {
    while (next < batches.length) await send(batches[next++]!)
  }
  await Promise.all(Array.from({ length: Math.min(lanes, batches.length, Math.max(1, fits)) }, lane))
}

const notInTime = new GatewayError('unavailable', 'The time was over before the event was sent.')

function tooLarge(bytes: number): GatewayError {
  const detail = `The event has more than the ${bytes} bytes that this broker takes, or more attributes than fit into a message.`
  return new GatewayError('too_large', detail)
}

function resultOf({ attributes: { id } }: Event, outcome: GatewayError | undefined, duplicate = false): PublishResult {
  if (outcome === undefined) return duplicate ? { id, status: 'stored', duplicate } : { id, status: 'stored' }
  if (!mayBeDone(outcome)) return { id, status: 'failed', error: outcome.toItem() }
  const error = new GatewayError('unknown_outcome', `${outcome.message} It may have stored the event.`)
  return { id, status: 'unknown', error: error.toItem() }
}
