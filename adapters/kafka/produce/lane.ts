import { type initProducerIdV5, protocolErrorsCodesById } from '@platformatic/kafka'
import { BrokenKeys, type Event, GatewayError, type PublishResult, unlessAborted } from '../../../src/core/index.ts'
import { type KafkaClient, pause } from '../client.ts'
import { closed, isTransient, translate } from '../errors.ts'
import { writePosition } from '../position.ts'
import { Batch, type Compression } from './batch.ts'
import { Records } from './records.ts'
import { type Appended, type Sender, Unsent } from './sender.ts'

/** An event on its way to a partition. */
export interface Entry {
  readonly event: Event
  /** The event's key in UTF-8. */
  readonly key: Uint8Array | undefined
}

export interface LaneOptions {
  readonly compression: Compression
  /** The producing connection to a node. */
  readonly sender: (node: number) => Sender
  /** A partition that fails for so long takes one batch at a time, to try it: the others are told at once. */
  readonly stallMs: number
  /** What the cluster takes as one batch. */
  readonly maxBatchBytes: number
}

const firstPauseMs = 50
const longestPauseMs = 500
/** A topic that was just made is not known everywhere at once. */
const unknownTopicMs = 3000
const lastEpoch = 0x7fff

/** After these the batch was not appended, and may be once something changed. */
const notAppended = new Set([
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'NOT_ENOUGH_REPLICAS',
  'THROTTLING_QUOTA_EXCEEDED',
])
/** After these the broker may have it. */
const perhapsAppended = new Set([
  'REQUEST_TIMED_OUT',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'KAFKA_STORAGE_ERROR',
  'NETWORK_EXCEPTION',
  'UNKNOWN_SERVER_ERROR',
  'BROKER_NOT_AVAILABLE',
  'CORRUPT_MESSAGE',
])
/** The broker does not go on from the sequence that we are at. */
const sequenceLost = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
])
/** The broker refuses a batch because of a record in it. */
const divisible = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD'])

interface Identity {
  readonly producerId: bigint
  readonly epoch: number
}

type Verdict =
  | { readonly status: 'stored'; readonly base: number | undefined }
  | { readonly status: 'failed' | 'unknown'; readonly error: GatewayError; readonly divide?: true }

/**
 * Everything that this process appends to one partition, one batch at a time: so that order survives every retry, and a
 * slow partition holds up no other. It has a producer id of its own; where the outcome of a batch stays unknown the epoch
 * grows with the next one, so that the broker refuses the old one should it still arrive (KIP-360).
 */
export class Lane {
  readonly #client: KafkaClient
  readonly #topic: string
  readonly #partition: number
  readonly #options: LaneOptions
  #tail: Promise<void> = Promise.resolve()
  #identity: Identity | undefined
  #sequence = 0
  #waiting = 0
  #failingSince: number | undefined
  #failedAt = 0
  /** Aborts when the partition has been failing for too long; there is a new one when it works again. */
  #stall = new AbortController()

  constructor(client: KafkaClient, topic: string, partition: number, options: LaneOptions) {
    this.#client = client
    this.#topic = topic
    this.#partition = partition
    this.#options = options
  }

  /** Waits for its turn; nobody else appends until `release` is called. Turns come in the order of the calls. */
  turn(): { readonly ready: Promise<void>; readonly release: () => void } {
    const ready = this.#tail
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#tail = ready.then(() => promise)
    return { ready, release: resolve }
  }

  /** One result per entry, in order. Settles soon after `signal` aborts, and never rejects. */
  async append(entries: readonly Entry[], signal: AbortSignal): Promise<PublishResult[]> {
    const alone = this.#waiting === 0
    if (!alone && this.#stall.signal.aborted) return stalled(entries)
    const { ready, release } = this.turn()
    this.#waiting++
    try {
      const mine = await unlessAborted(
        ready.then(() => true),
        // Whoever is alone tries a partition that stalled: by that it is known when it has come back.
        alone ? signal : AbortSignal.any([signal, this.#stall.signal]),
      )
      if (mine !== true && !signal.aborted) return stalled(entries)
      return await this.#appendAll(entries, signal)
    } finally {
      this.#waiting--
      release()
    }
  }

  async #appendAll(entries: readonly Entry[], signal: AbortSignal): Promise<PublishResult[]> {
    const verdict = await this.#appendBatch(entries, signal)
    if (verdict.status === 'stored') return entries.map((entry, i) => this.#stored(entry, verdict.base, i))
    if (verdict.divide !== true || entries.length === 1) {
      return entries.map(({ event }) => notStored(event, verdict.status, verdict.error))
    }
    const middle = entries.length >> 1
    const first = entries.slice(0, middle)
    const results = await this.#appendAll(first, signal)
    const broken = new BrokenKeys()
    broken.note(
      first.map(({ event }) => event),
      results,
    )
    const second = entries.slice(middle)
    const refusals = second.map(({ event }) => broken.refusal(event))
    const left = second.filter((_, i) => refusals[i] === undefined)
    const rest = left.length === 0 ? [] : await this.#appendAll(left, signal)
    let next = 0
    return [...results, ...refusals.map((refusal) => refusal ?? rest[next++]!)]
  }

  #stored({ event }: Entry, base: number | undefined, i: number): PublishResult {
    const { id } = event.attributes
    if (base === undefined) return { id, status: 'stored' }
    return { id, status: 'stored', position: writePosition(this.#partition, base + i) }
  }

  async #appendBatch(entries: readonly Entry[], signal: AbortSignal): Promise<Verdict> {
    const batch = this.#encode(entries)
    if (batch.length > this.#options.maxBatchBytes && entries.length > 1) return tooLarge
    const began = Date.now()
    let perhaps = false
    let mayBeSent = false
    let reason: GatewayError | undefined
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      let name: string
      try {
        const sent = () => {
          mayBeSent = true
        }
        const appended = await unlessAborted(this.#try(batch, signal, sent), signal)
        if (appended === undefined) {
          perhaps ||= mayBeSent
          break
        }
        if (appended.errorCode === 0) return this.#advance(batch, Number(appended.baseOffset))
        name = nameOf(appended.errorCode)
      } catch (thrown) {
        const unsent = thrown instanceof Unsent || thrown instanceof GatewayError
        const error = thrown instanceof Unsent ? thrown.cause : thrown
        perhaps ||= !unsent
        reason = translate(error, 'the publish')
        if (this.#client.closed) return this.#giveUp(perhaps, closed())
        if (unsent && !isTransient(error)) {
          const missing = reason.code === 'not_found' && Date.now() - began < unknownTopicMs
          if (!missing) return this.#giveUp(perhaps, reason)
        }
        await this.#look(pauseMs, signal)
        continue
      }
      if (name === 'DUPLICATE_SEQUENCE_NUMBER') return this.#advance(batch, undefined)
      if (sequenceLost.has(name)) {
        this.#identity = undefined
        if (perhaps) return this.#giveUp(true, reason)
        continue
      }
      reason = new GatewayError('unavailable', `Kafka does not take events for this partition now: ${name}.`, {
        retryAfterMs: 1000,
      })
      if (!notAppended.has(name) && !perhapsAppended.has(name)) return this.#refused(name, perhaps)
      perhaps ||= perhapsAppended.has(name)
      await this.#look(pauseMs, signal)
    }
    return this.#giveUp(perhaps, reason)
  }

  #encode(entries: readonly Entry[]): Batch {
    let capacity = 64
    for (const { event } of entries) capacity += (event.data?.length ?? 0) + 320
    const records = new Records(capacity)
    for (const { event, key } of entries) records.add(event, key)
    return new Batch(records.bytes, records.count, this.#options.compression, Date.now())
  }

  /** Throws Unsent, or a GatewayError, where nothing was sent. */
  async #try(batch: Batch, signal: AbortSignal, sent: () => void): Promise<Appended> {
    const { partitions } = await this.#client.topic(this.#topic)
    const leader = partitions[this.#partition]?.leader ?? -1
    if (leader < 0) throw new GatewayError('unavailable', 'The partition has no leader.', { retryAfterMs: 1000 })
    const identity = await this.#identify()
    // Whoever was given up on must not use the sequence that is the next one's by now.
    if (signal.aborted) throw new Unsent(signal.reason)
    sent()
    const bytes = batch.stamped({ ...identity, sequence: this.#sequence })
    return this.#options.sender(leader).append({ topic: this.#topic, partition: this.#partition, bytes })
  }

  async #identify(): Promise<Identity> {
    if (this.#identity !== undefined) return this.#identity
    try {
      const transactionTimeoutMs = 60_000
      const { producerId, producerEpoch } = await this.#client.callAny<
        [null, number],
        initProducerIdV5.InitProducerIdResponse
      >('InitProducerId', null, transactionTimeoutMs)
      // Whoever was given up on may have asked too, and be answered late: the batch in flight keeps its stamp.
      if (this.#identity === undefined) {
        this.#sequence = 0
        this.#identity = { producerId, epoch: producerEpoch }
      }
      return this.#identity
    } catch (error) {
      throw new Unsent(error)
    }
  }

  #advance(batch: Batch, base: number | undefined): Verdict {
    // Sequences go round after 2^31 - 1.
    this.#sequence = (this.#sequence + batch.count) & 0x7fffffff
    this.#failingSince = undefined
    if (this.#stall.signal.aborted) this.#stall = new AbortController()
    return { status: 'stored', base }
  }

  /** Waits, and asks who leads the partition now. */
  async #look(pauseMs: number, signal: AbortSignal): Promise<void> {
    const { stallMs } = this.#options
    const now = Date.now()
    // A failure of long ago says nothing of this one.
    if (this.#failingSince === undefined || now - this.#failedAt > stallMs) this.#failingSince = now
    this.#failedAt = now
    if (now - this.#failingSince > stallMs) this.#stall.abort()
    await unlessAborted(pause(pauseMs), signal)
    if (!signal.aborted) await unlessAborted(this.#client.refresh(this.#topic), signal).catch(() => undefined)
  }

  #refused(name: string, perhaps: boolean): Verdict {
    const error = translate(Object.assign(new Error(name), { apiId: name }), 'the event')
    const verdict = this.#giveUp(perhaps, error)
    return divisible.has(name) && !perhaps ? { ...verdict, divide: true } : verdict
  }

  #giveUp(perhaps: boolean, reason: GatewayError | undefined): Verdict & { readonly status: 'failed' | 'unknown' } {
    if (!perhaps) {
      const late = new GatewayError('unavailable', 'The time was over before anything was sent.', {
        retryAfterMs: 1000,
      })
      return { status: 'failed', error: reason ?? late }
    }
    if (this.#identity !== undefined) {
      this.#sequence = 0
      const epoch = this.#identity.epoch + 1
      this.#identity = epoch < lastEpoch ? { ...this.#identity, epoch } : undefined
    }
    const detail = 'Kafka did not confirm the event; it may have stored it. Publish it again with the same id.'
    return { status: 'unknown', error: new GatewayError('unknown_outcome', detail, { cause: reason }) }
  }
}

function stalled(entries: readonly Entry[]): PublishResult[] {
  const detail = 'The partition of this event has not answered for a while; it was not sent.'
  const error = new GatewayError('unavailable', detail, { retryAfterMs: 5000 })
  return entries.map(({ event }) => notStored(event, 'failed', error))
}

function nameOf(errorCode: number): string {
  return protocolErrorsCodesById[errorCode] ?? `error ${errorCode}`
}

const tooLarge: Verdict = {
  status: 'failed',
  error: new GatewayError('too_large', 'The events are too large for one batch.'),
  divide: true,
}

function notStored(event: Event, status: 'failed' | 'unknown', error: GatewayError): PublishResult {
  return { id: event.attributes.id, status, error: error.toItem() }
}
