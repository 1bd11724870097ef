import {
  type Admin,
  type Broker,
  type Capabilities,
  type Consumer,
  type DeadLetters,
  type Event,
  GatewayError,
  type Groups,
  type OpenOptions,
  type PublishOptions,
  type PublishResult,
} from '../../src/core/index.ts'
import { SqsAdmin } from './admin.ts'
import { capabilitiesOf } from './capabilities.ts'
import { type Aws, pause } from './client.ts'
import type { Config } from './config.ts'
import { SqsConsumer } from './consume/consumer.ts'
import type { GroupQueue } from './consume/group-queue.ts'
import { GroupHub } from './consume/hub.ts'
import { Queue } from './consume/queue.ts'
import { DeadLetterQueue } from './dead-letters.ts'
import { closed, noGroup } from './errors.ts'
import { SqsGroups } from './groups.ts'
import type { Layout } from './layout.ts'
import { Names } from './names.ts'
import { PlainLayout } from './plain.ts'
import { Publisher } from './publish/publisher.ts'
import { Queues } from './queues.ts'
import { SnsLayout } from './sns.ts'

const healthMs = 3000
/** What is on its way when the broker is closed may arrive within. */
const graceMs = 2000
/** How often a consumer asks whether its group is still there: another gateway may delete it. */
const checkMs = 30_000

export class SqsBroker implements Broker {
  readonly capabilities: Capabilities
  readonly groups: Groups
  readonly admin: Admin
  readonly deadLetters: DeadLetters
  readonly #aws: Aws
  readonly #config: Config
  readonly #names: Names
  readonly #queues: Queues
  readonly #layout: Layout
  readonly #groups: SqsGroups
  readonly #publisher: Publisher
  readonly #consumers = new Set<SqsConsumer>()
  readonly #opened = new Map<string, GroupQueue>()
  #closing: Promise<void> | undefined

  constructor(aws: Aws, config: Config) {
    const { sns, fifo, maxMessageSize } = config
    this.#aws = aws
    this.#config = config
    this.#names = new Names(fifo)
    this.#queues = new Queues(aws, fifo)
    this.#layout = new (sns ? SnsLayout : PlainLayout)(aws, this.#queues, this.#names, fifo, maxMessageSize)
    this.#publisher = new Publisher(config)
    const layout = () => this.#open()
    this.#groups = new SqsGroups(layout, this.#queues, {
      settled: (topic) => this.#publisher.idle(topic),
      deleted: (topic, group) => this.#forget(topic, group),
      oldestMs: (topic, group) => this.#opened.get(keyOf(topic, group))?.hub.oldestMs() ?? 0,
    })
    this.capabilities = capabilitiesOf(config)
    this.groups = this.#groups
    this.admin = new SqsAdmin(layout, config)
    this.deadLetters = {
      list: async (topic, group, { limit, after }) => (await this.#group(topic, group)).dead.list(limit, after),
      redrive: async (topic, group, which) => {
        const { dead, queue } = await this.#group(topic, group)
        return dead.redrive(which, queue)
      },
      delete: async (topic, group, id) => {
        const found = await (await this.#group(topic, group)).dead.delete(id)
        if (!found) throw new GatewayError('not_found', 'There is no such dead letter.')
      },
    }
  }

  async publish(topic: string, events: readonly Event[], options: PublishOptions): Promise<readonly PublishResult[]> {
    const sender = await this.#open().sender(topic)
    return this.#publisher.publish(topic, sender, events, options)
  }

  async open(topic: string, group: string, options: OpenOptions): Promise<Consumer> {
    const place = await this.#group(topic, group)
    this.#open()
    const consumer: SqsConsumer = new SqsConsumer(place, options, () => this.#consumers.delete(consumer))
    this.#consumers.add(consumer)
    return consumer
  }

  async health(): Promise<void> {
    await this.#open().health(AbortSignal.timeout(healthMs))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#consumers].map((consumer) => consumer.leave()))
    await Promise.race([this.#publisher.idle(), pause(graceMs, this.#aws.closing)])
    this.#aws.close()
    await this.#publisher.idle()
  }

  #open(): Layout {
    if (this.#closing !== undefined) throw closed()
    return this.#layout
  }

  /** What all consumers of a group here have in common. */
  async #group(topic: string, group: string): Promise<GroupQueue> {
    const key = keyOf(topic, group)
    const known = this.#opened.get(key)
    if (known !== undefined) {
      await known.check()
      return known
    }
    const { name, url, settings } = await this.#groups.existing(topic, group)
    const dead = await this.#queues.find(this.#names.dead(name))
    if (dead === undefined)
      throw new GatewayError(
        'not_found',
        'The queue of dead letters of the group is gone: delete the group, and create it again.',
      )
    const { fifo } = this.#config
    const forget = (address: string) => () => this.#queues.forget(address)
    const { leaseMs, maxAttempts } = settings
    let checkedAt = Date.now()
    const made: GroupQueue = {
      topic,
      fifo,
      leaseMs,
      maxAttempts,
      queue: new Queue(this.#aws, url, forget(url)),
      dead: new DeadLetterQueue(this.#aws, dead, forget(dead), { fifo, topic, maxAttempts }),
      hub: new GroupHub(),
      check: async () => {
        this.#open()
        if (Date.now() < checkedAt + checkMs) return
        checkedAt = Date.now()
        if ((await this.#layout.group(topic, group)) !== undefined) return
        this.#forget(topic, group)
        throw noGroup()
      },
    }
    // Another call may have been quicker.
    const first = this.#opened.get(key) ?? made
    this.#opened.set(key, first)
    return first
  }

  #forget(topic: string, group: string): void {
    const key = keyOf(topic, group)
    this.#opened.get(key)?.hub.revoke()
    this.#opened.delete(key)
  }
}

function keyOf(topic: string, group: string): string {
  return `${topic}/${group}`
}
