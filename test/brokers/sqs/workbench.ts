import { randomUUID } from 'node:crypto'
import { SQSClient } from '@aws-sdk/client-sqs'
import { afterAll, beforeAll } from 'vitest'
import { sqs } from '../../../adapters/sqs/index.ts'
import type {
  Broker,
  Consumer,
  Delivery,
  GroupOptions,
  Outcome,
  SettleResult,
  TopicSpec,
} from '../../../src/core/broker.ts'
import type { Event } from '../../../src/core/event.ts'
import { assertStored } from '../../conformance/refusal.ts'
import { sharedSqs } from '../services/shared.ts'
import { configOf, type Mode } from '../sqs-target.ts'
import { AwsProxy, type Meddler } from './proxy.ts'

const patienceMs = 20_000
const startMs = 180_000
const usual: GroupOptions = { start: 'latest', leaseMs: 30_000, maxAttempts: 5 }

export interface Workbench {
  /** The emulator itself. */
  readonly endpoint: string
  readonly proxy: AwsProxy
  /** A client that is not the gateway's. */
  readonly client: SQSClient
  /** A broker that ends with the file. */
  open(mode?: Mode, more?: object): Promise<Broker>
  topic(broker: Broker, spec?: TopicSpec): Promise<string>
  /** A new topic with one group, and a consumer of it. */
  stage(broker: Broker, options?: Partial<GroupOptions>): Promise<{ topic: string; consumer: Consumer }>
  /** Lets the proxy lie while `run` runs. */
  meddled<T>(meddler: Meddler, run: () => Promise<T>): Promise<T>
}

export const group = 'g'

/** An emulator that the run's files share, and a proxy before it; call at the top of a file. */
export function workbench(service: 'queues' | 'topics'): Workbench {
  let endpoint = ''
  let proxy: AwsProxy | undefined
  let client: SQSClient | undefined
  const opened: Broker[] = []
  beforeAll(async () => {
    endpoint = (await sharedSqs())[service]
    proxy = await AwsProxy.before(endpoint)
    const credentials = { accessKeyId: 'other', secretAccessKey: 'other' }
    client = new SQSClient({ endpoint, region: 'eu-west-1', credentials, useQueueUrlAsEndpoint: false })
  }, startMs)
  afterAll(async () => {
    await Promise.all(opened.map((one) => one.close()))
    client?.destroy()
    await proxy?.close()
  })
  const self: Workbench = {
    get endpoint() {
      return endpoint
    },
    get proxy() {
      return proxy!
    },
    get client() {
      return client!
    },
    async open(mode = {}, more = {}) {
      const broker = await sqs.open(configOf(proxy!.endpoint, mode, more))
      opened.push(broker)
      return broker
    },
    async topic(broker, spec = {}) {
      const topic = `t.${randomUUID().slice(0, 8)}`
      await broker.admin!.ensure(topic, spec)
      return topic
    },
    async stage(broker, options = {}) {
      const topic = await self.topic(broker)
      await broker.groups.create(topic, group, { ...usual, ...options })
      return { topic, consumer: await broker.open(topic, group, { prefetch: 1000 }) }
    },
    async meddled(meddler, run) {
      proxy!.meddlers.add(meddler)
      try {
        return await run()
      } finally {
        proxy!.meddlers.delete(meddler)
      }
    },
  }
  return self
}

export async function publish(broker: Broker, topic: string, ...events: readonly Event[]): Promise<void> {
  assertStored(await broker.publish(topic, events, { signal: AbortSignal.timeout(patienceMs) }), events.length)
}

/** So many deliveries, unsettled. */
export async function take(consumer: Consumer, count: number): Promise<Delivery[]> {
  const taken: Delivery[] = []
  const end = Date.now() + patienceMs
  while (taken.length < count) {
    if (Date.now() > end) throw new Error(`Waited in vain for ${count} deliveries: ${taken.length} came.`)
    taken.push(...(await pull(consumer, count - taken.length)))
  }
  return taken
}

export async function pull(consumer: Consumer, max = 10, waitMs = 1000): Promise<readonly Delivery[]> {
  return (await consumer.pull({ max, waitMs, signal: AbortSignal.timeout(patienceMs) })).deliveries
}

export async function say(
  consumer: Consumer,
  { receipt }: { receipt: string },
  outcome: Outcome,
): Promise<SettleResult> {
  return (await consumer.settle([{ receipt, outcome }]))[0]!
}

export const idsOf = (deliveries: readonly { event: Event }[]) => deliveries.map(({ event }) => event.attributes.id)
