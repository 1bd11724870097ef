import { embedded } from '../../adapters/embedded/index.ts'
import { Bridges } from '../../src/bridges/bridges.ts'
import type { BridgePlan, Refused } from '../../src/bridges/plan.ts'
import type { Broker, Capabilities } from '../../src/core/broker.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { Event } from '../../src/core/event.ts'
import { PullGroups } from '../../src/core/group.ts'
import { defaultLimits } from '../../src/core/limits.ts'
import { type OpenTopic, Publisher } from '../../src/core/topic.ts'
import { until } from '../conformance/waiting.ts'
import { Faults, faulty } from '../fixtures/faulty-broker.ts'

const soonMs = 20_000

/** Two brokers in memory with faults, a topic on each, and bridges between them. */
export class Stage {
  readonly source = new Faults()
  readonly target = new Faults()
  readonly refused: Refused[] = []
  readonly logged: string[] = []
  /** How far the bridges' clock is ahead. */
  aheadMs = 0
  readonly from: OpenTopic
  readonly to: OpenTopic
  #bridges: Bridges | undefined

  private constructor(source: Broker, target: Broker, capabilities: Partial<Capabilities>) {
    this.from = topicOf('from', faulty(source, this.source, capabilities))
    this.to = topicOf('to', faulty(target, this.target))
  }

  static async create(capabilities: Partial<Capabilities> = {}): Promise<Stage> {
    const [source, target] = await Promise.all([memory(), memory()])
    await source.admin!.ensure('from', {})
    await target.admin!.ensure('to', { dedupWindowMs: 0 })
    return new Stage(source, target, capabilities)
  }

  async start(plan: Partial<BridgePlan> = {}): Promise<Bridges> {
    const clock = { ...systemClock, now: () => Date.now() + this.aheadMs }
    const bridges = new Bridges(
      {
        clock,
        log: (level, message, fields) => void this.logged.push(`${level} ${message} ${JSON.stringify(fields)}`),
        announce: (refused) => void this.refused.push(refused),
      },
      [{ name: 'b', start: 'latest', filters: [], from: this.from, to: this.to, ...plan }],
    )
    await bridges.start()
    this.#bridges = bridges
    return bridges
  }

  /** Publishes to the source: ids and keys. */
  async publish(events: readonly (readonly [id: string, key: string])[]): Promise<void> {
    const { broker, brokerTopic } = this.from
    const made = events.map(
      ([id, partitionkey]): Event => ({
        attributes: { specversion: '1.0', id, source: '/s', type: 't', partitionkey },
        data: new TextEncoder().encode(id),
      }),
    )
    const results = await broker.publish(brokerTopic, made, { signal: AbortSignal.timeout(soonMs) })
    for (const { status } of results) if (status !== 'stored') throw new Error(`It is ${status}.`)
  }

  /** The ids that the target has, in its order. */
  async moved(): Promise<string[]> {
    const ids: string[] = []
    const signal = AbortSignal.timeout(soonMs)
    for await (const { records } of this.to.broker.log!.read('to', 'earliest', { signal })) {
      ids.push(...records.map(({ event }) => event.attributes.id))
    }
    return ids
  }

  async arrives(count: number): Promise<string[]> {
    return until(soonMs, `${count} events`, async () => {
      const ids = await this.moved()
      return ids.length >= count && ids
    })
  }

  /** What the bridge's group has still to settle. */
  async owed(): Promise<number> {
    return (await this.from.broker.groups.describe('from', 'sluice.bridge.b')).lag!.events
  }

  async remove(): Promise<void> {
    await this.#bridges?.stop(0)
    await Promise.all([this.from.broker.close(), this.to.broker.close()])
  }
}

function memory(): Promise<Broker> {
  return embedded.open(embedded.config.parse({ type: 'embedded', memory: true }), { clock: systemClock })
}

function topicOf(name: string, broker: Broker): OpenTopic {
  const publisher = new Publisher(broker, name, { ...defaultLimits, publishDeadline: 2000 }, systemClock)
  const place = { name, brokerName: name, brokerTopic: name, broker, epoch: 1 }
  return { ...place, dedupWindowMs: 0, publisher, pulls: broker, groups: new PullGroups(broker) }
}
