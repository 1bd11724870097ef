import { type MessageToProduce, Producer as TransactionalProducer } from '@platformatic/kafka'
import { type Event, GatewayError, type PublishResult, unlessAborted } from '../../../src/core/index.ts'
import { type KafkaClient, pause } from '../client.ts'
import type { Config } from '../config.ts'
import { translate } from '../errors.ts'
import { tolerated } from '../failures.ts'
import { writePosition } from '../position.ts'
import { endOffsets } from '../read/offsets.ts'
import type { Entry } from './lane.ts'
import type { Parts, Producer } from './producer.ts'
import { headersOf } from './records.ts'

const retries = 10
/** How long to wait for the markers of a transaction, which take milliseconds unless a node is lost. */
const markersMs = 5000

/**
 * Publishes that are all or none, each in a transaction (KIP-98), one at a time: the library's producer does this part,
 * for it is rare and its state machine is the library's own. Readers see only what was committed.
 */
export class Transactions {
  readonly #client: KafkaClient
  readonly #config: Config
  readonly #producer: Producer
  #open: TransactionalProducer | undefined
  #tail: Promise<unknown> = Promise.resolve()

  constructor(client: KafkaClient, config: Config, producer: Producer) {
    this.#client = client
    this.#config = config
    this.#producer = producer
  }

  /** One result per event, and the same status for all of them. Settles soon after `signal` aborts. */
  publish(topic: string, events: readonly Event[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    const before = this.#tail
    const publishing = unlessAborted(before, signal).then(() => this.#publish(topic, events, signal))
    this.#tail = Promise.allSettled([before, publishing])
    return publishing
  }

  async #publish(topic: string, events: readonly Event[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    // What is published otherwise to the same partitions keeps its place before or after all of this.
    const { parts, turns } = await this.#producer.enter(topic, events, signal, (parts) => ({
      parts,
      turns: [...parts.keys()].map((partition) => this.#producer.lane(topic, partition).turn()),
    }))
    try {
      await unlessAborted(Promise.all(turns.map(({ ready }) => ready)), signal)
      if (signal.aborted) throw new GatewayError('unavailable', 'The time was over before anything was sent.')
      const running = this.#run(topic, events, parts)
      running.catch(() => undefined)
      const results = await unlessAborted(running, signal)
      if (results !== undefined) return results
      this.#abandon()
      return unknown(events)
    } finally {
      for (const { release } of turns) release()
    }
  }

  async #run(topic: string, events: readonly Event[], parts: Parts): Promise<readonly PublishResult[]> {
    const producer = this.#transactional()
    let committing = false
    try {
      const transaction = await producer.beginTransaction()
      try {
        const messages = [...parts].flatMap(([partition, { entries }]) =>
          entries.map((entry) => messageOf(topic, partition, entry)),
        )
        const { offsets = [] } = await transaction.send({ messages, compression: this.#config.compression })
        committing = true
        await transaction.commit()
        const results = new Array<PublishResult>(events.length)
        const ends = new Map<number, number>()
        for (const [partition, { places }] of parts) {
          const base = offsets.find((one) => one.partition === partition)?.offset
          if (base !== undefined) ends.set(partition, Number(base) + places.length)
          places.forEach((place, i) => {
            const { id } = events[place]!.attributes
            const position = base === undefined ? undefined : writePosition(partition, Number(base) + i)
            results[place] = { id, status: 'stored', ...(position !== undefined && { position }) }
          })
        }
        await this.#visible(topic, ends)
        return results
      } catch (error) {
        if (!committing) await transaction.abort()
        throw error
      }
    } catch (error) {
      this.#abandon()
      // What was not committed, nobody sees: the broker ends it after its timeout, also where the abort was lost.
      if (committing) return unknown(events)
      const failure = translate(error, 'the transaction')
      return events.map(({ attributes }) => ({ id: attributes.id, status: 'failed', error: failure.toItem() }))
    }
  }

  /**
   * Kafka answers a commit before the partitions have its markers, and until then nobody sees these events, nor any after
   * them: who reads after the acknowledgement is to find them. They are stored, whatever fails here.
   */
  async #visible(topic: string, ends: ReadonlyMap<number, number>): Promise<void> {
    const deadline = Date.now() + markersMs
    try {
      for (let pauseMs = 1; Date.now() < deadline; pauseMs = Math.min(pauseMs * 2, 50)) {
        const now = await endOffsets(this.#client, topic)
        if ([...ends].every(([partition, end]) => now[partition]! >= end)) return
        await pause(pauseMs)
      }
    } catch {
      // Its readers wait as long as the partitions do.
    }
  }

  #transactional(): TransactionalProducer {
    this.#open ??= tolerated(
      new TransactionalProducer({
        ...this.#client.reach,
        transactionalId: `${this.#config.clientId}-${crypto.randomUUID()}`,
        idempotent: true,
        retries,
        retryDelay: 200,
      }),
    )
    return this.#open
  }

  /** The next one begins with a new id. */
  #abandon(): void {
    this.#open?.close(true).catch(() => undefined)
    this.#open = undefined
  }

  async close(): Promise<void> {
    await this.#open?.close(true).catch(() => undefined)
  }
}

function messageOf(
  topic: string,
  partition: number,
  { event, key }: Entry,
): MessageToProduce<Buffer, Buffer, Buffer, Buffer> {
  return {
    topic,
    partition,
    // The library's types have no tombstone; its encoder has.
    value: (event.data === undefined ? null : asBuffer(event.data)) as Buffer,
    ...(key !== undefined && { key: asBuffer(key) }),
    headers: new Map(headersOf(event).map(([name, value]) => [Buffer.from(name), Buffer.from(value)])),
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function unknown(events: readonly Event[]): PublishResult[] {
  const detail =
    'Kafka did not confirm the transaction; it may have stored all of it. Publish it again with the same ids.'
  const error = new GatewayError('unknown_outcome', detail).toItem()
  return events.map(({ attributes }) => ({ id: attributes.id, status: 'unknown', error }))
}
