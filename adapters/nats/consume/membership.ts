import type { Consumer, OpenOptions } from '../../../src/core/index.ts'
import type { NatsClient } from '../client.ts'
import type { Members } from '../groups.ts'
import { NatsConsumer } from './consumer.ts'
import { KeyedConsumer } from './keyed/consumer.ts'
import { KeyedHub } from './keyed/hub.ts'
import type { Settler } from './settler.ts'

/** The consumers that are open in this process. */
export class Membership implements Members {
  readonly #shared = new Map<string, Set<NatsConsumer>>()
  readonly #hubs = new Map<string, KeyedHub>()
  readonly #keyed = new Set<KeyedConsumer>()

  /** A consumer beside others, here and elsewhere. */
  shared(client: NatsClient, settler: Settler, options: OpenOptions, topic: string, group: string): Consumer {
    const name = nameOf(topic, group)
    const consumers = this.#shared.get(name) ?? new Set()
    this.#shared.set(name, consumers)
    const consumer: NatsConsumer = new NatsConsumer(client, settler, options, () => consumers.delete(consumer))
    consumers.add(consumer)
    return consumer
  }

  /** A consumer in the order of keys, with what the others of this process have. */
  keyed(client: NatsClient, settler: Settler, options: OpenOptions, topic: string, group: string): Consumer {
    const name = nameOf(topic, group)
    const hub: KeyedHub =
      this.#hubs.get(name) ??
      new KeyedHub(client, settler, () => this.#hubs.get(name) === hub && this.#hubs.delete(name))
    this.#hubs.set(name, hub)
    const consumer: KeyedConsumer = new KeyedConsumer(client, hub, options, () => this.#keyed.delete(consumer))
    this.#keyed.add(consumer)
    return consumer
  }

  async moved(topic: string, group: string): Promise<void> {
    const name = nameOf(topic, group)
    for (const consumer of this.#shared.get(name) ?? []) await consumer.moved()
    await this.#hubs.get(name)?.moved()
  }

  held(topic: string, group: string): number | undefined {
    return this.#hubs.get(nameOf(topic, group))?.held
  }

  /** Leases that outlive a connection stay; the others are given back. */
  async close(): Promise<void> {
    const shared = [...this.#shared.values()].flatMap((own) => [...own])
    const keyed = [...this.#keyed]
    await Promise.allSettled([...shared.map((one) => one.abandon()), ...keyed.map((one) => one.close())])
  }
}

function nameOf(topic: string, group: string): string {
  return `${topic} ${group}`
}
