import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded } from '../../adapters/embedded/index.ts'
import { TopicTable } from '../../src/config/registry.ts'
import type { Broker } from '../../src/core/broker.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { Event } from '../../src/core/event.ts'
import { defaultLimits } from '../../src/core/limits.ts'
import { defaultPolicy, type Policy } from '../../src/core/subscription.ts'
import type { OpenTopic } from '../../src/core/topic.ts'
import type { DeliveryContext } from '../../src/delivery/context.ts'
import { DeliveryEngine } from '../../src/delivery/engine.ts'
import { openSqliteStore } from '../../src/store/sql/open.ts'
import type { Store } from '../../src/store/store.ts'
import type { Feed, StoredSubscription } from '../../src/store/subscriptions.ts'
import { createSecret } from '../../src/webhook/secret.ts'
import { createSender } from '../../src/webhook/sender.ts'
import { Receiver } from './receiver.ts'

type Change = Partial<Omit<StoredSubscription, 'policy' | 'feed'>> & { policy?: Partial<Policy>; feed?: Feed }

/** A delivery engine by itself, over an embedded broker in memory, a store on disk and an endpoint. */
export class EngineStage {
  readonly broker: Broker
  readonly topic: OpenTopic
  readonly store: Store
  readonly receiver: Receiver
  readonly #folder: string
  readonly #context: DeliveryContext
  #engine: DeliveryEngine | undefined

  private constructor(
    folder: string,
    parts: Pick<EngineStage, 'broker' | 'topic' | 'store' | 'receiver'> & Pick<DeliveryContext, 'topics'>,
    more: object,
  ) {
    this.#folder = folder
    this.broker = parts.broker
    this.topic = parts.topic
    this.store = parts.store
    this.receiver = parts.receiver
    this.#context = {
      clock: systemClock,
      store: parts.store,
      sender: createSender({
        clock: systemClock,
        allowPrivate: [],
        allowLoopback: true,
        maxConnectionsPerHost: 64,
        userAgent: 'test',
      }),
      topics: parts.topics,
      digest: (text) => createHash('sha256').update(text).digest('base64url'),
      maxAttempts: 100,
      observer: { ended() {} },
      log() {},
      announce() {},
      ...more,
    }
  }

  static async create(more: Partial<DeliveryContext> = {}): Promise<EngineStage> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-engine-'))
    const broker = await embedded.open({ type: 'embedded', memory: true }, { clock: systemClock })
    await broker.admin!.ensure('orders', {})
    const topics = new TopicTable(defaultLimits, systemClock, {})
    const topic = await topics.add({ name: 'orders', brokerName: 'main', brokerTopic: 'orders', broker, epoch: 1 })
    const store = await openSqliteStore({ path: join(folder, 'store.db'), clock: systemClock })
    return new EngineStage(folder, { broker, topic, topics, store, receiver: await Receiver.start() }, more)
  }

  get engine(): DeliveryEngine {
    this.#engine ??= new DeliveryEngine(this.#context)
    return this.#engine
  }

  async remove(): Promise<void> {
    await this.#engine?.stop(1000)
    await this.broker.close()
    await this.store.close()
    await this.receiver.close()
    await rm(this.#folder, { recursive: true })
  }

  async subscribe(id: string, { policy, feed, ...change }: Change = {}): Promise<void> {
    const now = systemClock.now()
    const subscription = {
      id,
      topic: 'orders',
      url: `${this.receiver.url}/${id}`,
      filters: [],
      mode: 'structured',
      headers: {},
      ordering: 'none',
      start: 'latest',
      labels: {},
      secrets: [{ secret: createSecret(systemClock) }],
      status: 'active',
      declared: false,
      createdAt: now,
      updatedAt: now,
      ...change,
      policy: { ...defaultPolicy, ...policy },
    } as const
    const prepared = await this.engine.prepare(this.topic, 'latest')
    await this.store.subscriptions.create(subscription, feed ?? prepared)
    this.engine.changed()
  }

  async publish(id: string, more: Partial<Event['attributes']> = {}): Promise<void> {
    await this.topic.publisher.publish([{ attributes: { specversion: '1.0', id, source: '/s', type: 't', ...more } }])
  }

  /** The ids of the events that came to a subscription, in the order in which they came. */
  arrived(id: string): string[] {
    return this.receiver.requests
      .filter(({ path }) => path === `/${id}`)
      .map(({ body }) => (JSON.parse(body.toString()) as { id: string }).id)
  }
}
