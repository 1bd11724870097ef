import { type Event, GatewayError, type PublishResult } from '../../../src/core/index.ts'
import type { ConnectionPool, KafkaClient } from '../client.ts'
import type { Config } from '../config.ts'
import { translate } from '../errors.ts'
import type { Partitioner } from '../partitioner.ts'
import { type Entry, Lane } from './lane.ts'
import { keyBytes } from './records.ts'
import { Sender } from './sender.ts'

const acksOf = { all: -1, leader: 1 } as const

/** Publishing: every event to its partition, every partition in its lane. */
export class Producer {
  readonly #client: KafkaClient
  readonly #pool: ConnectionPool
  readonly #config: Config
  readonly #partitioner: Partitioner
  readonly #senders = new Map<number, Sender>()
  readonly #lanes = new Map<string, Lane[]>()

  constructor(client: KafkaClient, config: Config, partitioner: Partitioner) {
    this.#client = client
    this.#config = config
    this.#partitioner = partitioner
    this.#pool = client.pool()
  }

  /** One result per event, in order. Settles soon after `signal` aborts. */
  async publish(topic: string, events: readonly Event[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    const parts = await this.split(topic, events)
    const results = new Array<PublishResult>(events.length)
    await Promise.all(
      [...parts].map(async ([partition, { places, entries }]) => {
        const answered = await this.lane(topic, partition).append(entries, signal)
        for (let i = 0; i < places.length; i++) results[places[i]!] = answered[i]!
      }),
    )
    return results
  }

  /** Which event goes to which partition. Throws where the topic cannot be told: nothing is sent then. */
  async split(topic: string, events: readonly Event[]): Promise<Map<number, { places: number[]; entries: Entry[] }>> {
    const { partitionsCount } = await this.#describe(topic)
    const parts = new Map<number, { places: number[]; entries: Entry[] }>()
    for (let i = 0; i < events.length; i++) {
      const event = events[i]!
      const key = keyBytes(event)
      const partition =
        key === undefined
          ? this.#partitioner.next(topic, partitionsCount)
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
