import { type Event, GatewayError, type PublishResult, unlessAborted } from '../../../src/core/index.ts'
import type { ConnectionPool, KafkaClient, TopicMetadata } from '../client.ts'
import type { Config } from '../config.ts'
import { translate } from '../errors.ts'
import type { Partitioner } from '../partitioner.ts'
import { type Entry, Lane } from './lane.ts'
import { keyBytes } from './records.ts'
import { Sender } from './sender.ts'

const acksOf = { all: -1, leader: 1 } as const

/** By partition: the events that go there, and their places among all. */
export type Parts = Map<number, { readonly places: number[]; readonly entries: Entry[] }>

/** Publishing: every event to its partition, every partition in its lane. */
export class Producer {
  readonly #client: KafkaClient
  readonly #pool: ConnectionPool
  readonly #config: Config
  readonly #partitioner: Partitioner
  readonly #maxBatchBytes: number
  readonly #senders = new Map<number, Sender>()
  readonly #lanes = new Map<string, Lane[]>()
  /** Publishes that came while the cluster was asked about a topic, to be let in in their order. */
  readonly #entering = new Map<string, Promise<unknown>>()

  constructor(client: KafkaClient, config: Config, partitioner: Partitioner, maxBatchBytes: number) {
    this.#client = client
    this.#maxBatchBytes = maxBatchBytes
    this.#config = config
    this.#partitioner = partitioner
    this.#pool = client.pool()
  }

  /** One result per event, in order. Settles soon after `signal` aborts. */
  async publish(topic: string, events: readonly Event[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    const results = new Array<PublishResult>(events.length)
    // Every lane is entered in one turn of the event loop, so that calls stand in the same order in each.
    const appending = await this.enter(topic, events, signal, (parts) => [
      [...parts].map(async ([partition, { places, entries }]) => {
        const answered = await this.lane(topic, partition).append(entries, signal)
        for (let i = 0; i < places.length; i++) results[places[i]!] = answered[i]!
      }),
    ])
    await Promise.all(appending[0]!)
    return results
  }

  /**
   * Calls `act` with which event goes to which partition, in the order of the calls for each topic; at once where the
   * topic is known. Throws where the topic cannot be told: nothing is sent then.
   */
  async enter<T>(topic: string, events: readonly Event[], signal: AbortSignal, act: (parts: Parts) => T): Promise<T> {
    const known = this.#client.known(topic)
    const before = this.#entering.get(topic)
    if (known !== undefined && before === undefined) return act(this.#split(topic, events, known))
    const describing = Promise.resolve(before).then(() => this.#describe(topic))
    const entering = unlessAborted(describing, signal).then((metadata) => {
      if (metadata !== undefined) return act(this.#split(topic, events, metadata))
      throw new GatewayError('unavailable', 'The cluster did not tell of the topic in time; nothing was sent.')
    })
    const settled = entering.then(
      () => undefined,
      () => undefined,
    )
    this.#entering.set(topic, settled)
    settled.then(() => this.#entering.get(topic) === settled && this.#entering.delete(topic))
    return entering
  }

  #split(topic: string, events: readonly Event[], { partitions, partitionsCount }: TopicMetadata): Parts {
    const parts: Parts = new Map()
    const turn = this.#partitioner.turn(topic, partitions)
    for (let i = 0; i < events.length; i++) {
      const event = events[i]!
      const key = keyBytes(event)
      const partition =
        key === undefined
          ? turn.next()
          : this.#partitioner.ofKey(String(event.attributes.partitionkey), key, partitionsCount)
      let part = parts.get(partition)
      if (part === undefined) {
        part = { places: [], entries: [] }
        parts.set(partition, part)
      }
      part.places.push(i)
      part.entries.push({ event, key })
    }
    return parts
  }

  lane(topic: string, partition: number): Lane {
    let lanes = this.#lanes.get(topic)
    if (lanes === undefined) {
      lanes = []
      this.#lanes.set(topic, lanes)
    }
    lanes[partition] ??= new Lane(this.#client, topic, partition, {
      compression: this.#config.compression,
      sender: (node) => this.#sender(node),
      stallMs: 3 * this.#config.requestTimeout,
      maxBatchBytes: this.#maxBatchBytes,
    })
    return lanes[partition]
  }

  async #describe(topic: string) {
    try {
      return await this.#client.topic(topic)
    } catch (error) {
      const translated = translate(error, 'the publish')
      if (translated.code !== 'not_found') throw translated
      throw new GatewayError('not_found', `Kafka has no topic ${topic}.`, { cause: error })
    }
  }

  #sender(node: number): Sender {
    let sender = this.#senders.get(node)
    if (sender === undefined) {
      const { acks, requestTimeout } = this.#config
      // The broker is to give up first, and say so, before the connection is given up.
      const timeoutMs = Math.ceil(requestTimeout * 0.75)
      sender = new Sender(this.#client, this.#pool, node, acksOf[acks], timeoutMs)
      this.#senders.set(node, sender)
    }
    return sender
  }
}
