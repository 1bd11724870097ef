import { until } from '../conformance/waiting.ts'
import type { Client } from '../fixtures/client.ts'
import { entriesOf, type ReadEvent } from '../http/events.ts'
import { Group } from '../http/groups.ts'

/** Against hanging: what a bridge may take for a few events, with a group of Kafka to be joined first. */
const moveMs = 60_000

/** Sees what a topic gets: in its log, or where there is none, by a group that is there before the first event. */
export class Witness {
  readonly #client: Client
  readonly #topic: string
  readonly #group: Group | undefined
  readonly #pulled: ReadEvent[] = []

  private constructor(client: Client, topic: string, group: Group | undefined) {
    this.#client = client
    this.#topic = topic
    this.#group = group
  }

  /** `seen` is what another one has seen before: a log tells that by itself. */
  static async of(client: Client, topic: string, seen?: Witness): Promise<Witness> {
    const described = (await client.get(`/v1/topics/${topic}`)).json<{
      capabilities: { replay: { value: boolean } }
    }>()
    if (described.capabilities.replay.value) return new Witness(client, topic, undefined)
    const group = new Group(client, topic, 'witness')
    await group.create()
    const witness = new Witness(client, topic, group)
    if (seen !== undefined) witness.#pulled.push(...seen.#pulled)
    return witness
  }

  /** Everything so far. */
  async events(): Promise<readonly ReadEvent[]> {
    if (this.#group === undefined) return (await entriesOf(this.#client, this.#topic)).map(({ event }) => event)
    for (;;) {
      const deliveries = await this.#group.pull(1000, '200ms')
      if (deliveries.length === 0) return this.#pulled
      this.#pulled.push(...deliveries.map(({ event }) => event))
      await this.#group.settle(...deliveries.map(({ lease }) => ({ lease, outcome: 'ack' })))
    }
  }

  /** Waits until there are so many. */
  async arrived(count: number): Promise<readonly ReadEvent[]> {
    return until(moveMs, `${count} events in ${this.#topic}`, async () => {
      const events = await this.events()
      return events.length >= count && events
    })
  }
}
