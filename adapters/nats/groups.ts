import type { ConsumerConfig, ConsumerInfo } from '@nats-io/jetstream'
import { GatewayError, type GroupOptions, type GroupState, type Groups, type Start } from '../../src/core/index.ts'

import { type NatsClient, pause } from './client.ts'
import type { Config } from './config.ts'
import { seqOf } from './cursor.ts'
import { ApiError, isApiError, numbers } from './errors.ts'
import { deadStream, deadSubject, gatewayName, laterSubject, matches, natsName, redriveSubject } from './names.ts'
import { sequenceBefore, showStart } from './start.ts'
import { noLeader, type Streams, type Topic } from './streams.ts'

/** The server gives an event again so much later than its lease ends: what a lease's last moment settles arrives before. */
export const graceMs = 1000
/** A request waits so long at the server. A lease is counted from the receipt, but never from later than this after asking. */
export const sliceMs = 1000
/** So many events of a group may be unsettled; then it gets no fresh ones. */
const maxUnsettled = 100_000
/** Of pinned consumers: the one group of clients, and how long a silent one keeps its pin. */
export const pinGroup = 'sluice'
const pinMs = 5000
/** How long a replica is given that is behind. */
const behind = { looks: 5, ms: 20 } as const
const nanos = 1e6
const mark = 'sluice.'

/** A group as the adapter needs to know it. */
export interface Group {
  readonly topic: Topic
  readonly consumer: string
  readonly start: string
  readonly leaseMs: number
  readonly maxAttempts: number
  /** Signs receipts; it is another one after the group was moved. */
  readonly secret: string
  readonly info: ConsumerInfo
}

/** The consumers of groups in this process. */
export interface Members {
  /** Told of a group that was moved or deleted. */
  moved(topic: string, group: string): Promise<void>
  /** How many events they were given and have not settled, where that is not what the server counts. */
  held(topic: string, group: string): number | undefined
}

interface ListPage {
  readonly total: number
  readonly consumers?: readonly ConsumerInfo[]
}

/** Groups are durable consumers; what they were made with is in their metadata. */
export class NatsGroups implements Groups {
  readonly #client: NatsClient
  readonly #streams: Streams
  readonly #config: Config
  readonly #members: Members

  constructor(client: NatsClient, streams: Streams, config: Config, members: Members) {
    this.#client = client
    this.#streams = streams
    this.#config = config
    this.#members = members
  }

  async create(topic: string, group: string, options: GroupOptions): Promise<boolean> {
    const fresh = await this.#streams.fresh(topic)
    if ((await this.#find(fresh.topic, group)) !== undefined) return false
    const { leaseMs, maxAttempts, start } = options
    const before = await sequenceBefore(this.#client, fresh, start)
    const config = this.#consumer(fresh.topic, group, before, { start: showStart(start), leaseMs, maxAttempts })
    try {
      await this.#make(fresh.topic, config)
      return true
    } catch (error) {
      // Somebody else made it at the same time.
      if (error instanceof GatewayError && isApiError(error.cause, numbers.consumerExists)) return false
      throw error
    }
  }

  async describe(topic: string, group: string): Promise<GroupState> {
    const { start, leaseMs, maxAttempts, info } = await this.#upToDate(topic, group)
    const events = info.num_pending + info.num_ack_pending
    const oldestMs = events === 0 ? 0 : await this.#oldest(info)
    const inFlight = this.#members.held(topic, group) ?? info.num_ack_pending
    return { start, leaseMs, maxAttempts, lag: { events, oldestMs }, inFlight }
  }

  async passed(topic: string, group: string, cursor: string): Promise<boolean> {
    const { info } = await this.existing(topic, group)
    const last = seqOf(cursor)
    const settled = settledUpTo(info)
    if (settled >= last) return true
    const next = await this.#next(info, settled + 1)
    return next === undefined || next.seq > last
  }

  async hasDelayed(topic: string): Promise<boolean> {
    const { stream, schedules } = await this.#streams.topic(topic)
    return schedules && (await this.#first(stream, laterSubject(stream, '*'), 1)) !== undefined
  }

  async list(topic: string): Promise<readonly string[]> {
    const { stream } = (await this.#streams.fresh(topic)).topic
    const groups: string[] = []
    for (let offset = 0; ; ) {
      const body = { offset }
      const page = await this.#client.api<ListPage>(`CONSUMER.LIST.${stream}`, 'the list of groups', body)
      const { total, consumers = [] } = page
      offset += consumers.length
      for (const { name, config } of consumers) if (isGroup(config)) groups.push(gatewayName(name))
      if (consumers.length === 0 || offset >= total) return groups.sort()
    }
  }

  async delete(topic: string, group: string): Promise<void> {
    const [stream, consumer] = [natsName(topic), natsName(group)]
    await this.#unlessMissing(`CONSUMER.DELETE.${stream}.${consumer}`, 'the end of the group')
    await this.#members.moved(topic, group)
    const doing = 'the end of what the group gave up'
    await this.#unlessMissing(`STREAM.PURGE.${deadStream(stream)}`, doing, { filter: deadSubject(stream, consumer) })
    await this.#unlessMissing(`STREAM.PURGE.${stream}`, doing, { filter: redriveSubject(stream, consumer) })
  }

  async seek(topic: string, group: string, to: Start): Promise<void> {
    const { start, leaseMs, maxAttempts, consumer } = await this.existing(topic, group)
    const fresh = await this.#streams.fresh(topic)
    // Before anything ends: a place that is none leaves the group as it is.
    const before = await sequenceBefore(this.#client, fresh, to)
    const config = this.#consumer(fresh.topic, group, before, { start, leaseMs, maxAttempts })
    await this.#unlessMissing(`CONSUMER.DELETE.${fresh.topic.stream}.${consumer}`, 'the move of the group')
    await this.#make(fresh.topic, config)
    await this.#members.moved(topic, group)
  }

  /** Throws `not_found` where there is no such group. */
  async existing(name: string, group: string): Promise<Group> {
    const topic = await this.#streams.topic(name)
    const found = await this.#find(topic, group)
    if (found !== undefined) return found
    // It may be the stream that is gone.
    await this.#streams.fresh(name)
    throw new GatewayError('not_found', 'There is no such group of this topic.')
  }

  /** In the order of keys one client at a time gets the events of a group; otherwise any. */
  get #policy(): Partial<ConsumerConfig> {
    if (this.#config.ordering !== 'key') return {}
    return { priority_policy: 'pinned_client', priority_groups: [pinGroup], priority_timeout: pinMs * nanos }
  }

  /** The group as this broker consumes it: one that was made in the other order is changed. */
  async opened(topic: string, group: string): Promise<Group> {
    const found = await this.existing(topic, group)
    const isPinned = found.info.config.priority_policy === 'pinned_client'
    if (isPinned === (this.#config.ordering === 'key')) return found
    const { priority_policy: _, priority_groups: __, priority_timeout: ___, ...rest } = found.info.config
    await this.#update(found, { ...rest, ...this.#policy })
    return this.existing(topic, group)
  }

  async #update({ topic: { stream }, consumer }: Group, config: Partial<ConsumerConfig>): Promise<void> {
    const body = { stream_name: stream, action: 'update', config }
    await this.#client.api(`CONSUMER.CREATE.${stream}.${consumer}`, 'the change of the group', body)
  }

  /** Sees that the group gets what is redriven: one that was made before the stream took such events does not yet. */
  async acceptRedriven(group: Group): Promise<void> {
    const { topic, consumer, info } = group
    const subject = redriveSubject(topic.stream, consumer)
    const { config } = info
    const filters = config.filter_subjects ?? (config.filter_subject ? [config.filter_subject] : [])
    if (filters.length === 0 || filters.includes(subject)) return
    const { filter_subject: _, ...rest } = config
    await this.#update(group, { ...rest, filter_subjects: [...filters, subject] })
  }

  /**
   * The group after everything that the stream had before. Whoever leads the consumer may be behind whoever leads the
   * stream: then it counts less than there is, until it has caught up.
   */
  async #upToDate(name: string, group: string): Promise<Group> {
    const { info: stream } = await this.#streams.fresh(name)
    let found = await this.existing(name, group)
    if (stream.config.num_replicas === 1) return found
    for (let looks = 0; looks < behind.looks; looks++) {
      const { delivered, num_pending } = found.info
      // Fewer may be right too: not everything in a stream is of every group.
      if (delivered.stream_seq + num_pending >= stream.state.last_seq) break
      await pause(behind.ms)
      found = await this.existing(name, group)
    }
    return found
  }

  async #find(topic: Topic, group: string): Promise<Group | undefined> {
    const consumer = natsName(group)
    let info: ConsumerInfo
    try {
      info = await this.#client.retry('the description of the group', () => consumerInfo(this.#client, topic, consumer))
    } catch (error) {
      if (error instanceof GatewayError && isApiError(error.cause, numbers.consumerNotFound)) return undefined
      if (error instanceof GatewayError && error.code === 'not_found') this.#streams.forget(topic.name)
      throw error
    }
    if (!isGroup(info.config)) {
      const detail = `The consumer ${consumer} of the stream ${topic.stream} is no group of the gateway: give the group another name.`
      throw new GatewayError('conflict', detail)
    }
    const { metadata = {} } = info.config
    return {
      topic,
      consumer,
      start: metadata[`${mark}start`]!,
      leaseMs: Number(metadata[`${mark}lease`]),
      maxAttempts: Number(metadata[`${mark}attempts`]),
      secret: metadata[`${mark}secret`]!,
      info,
    }
  }

  #consumer(
    { stream, subjects, allSubjects }: Topic,
    group: string,
    before: number,
    { start, leaseMs, maxAttempts }: { start: string; leaseMs: number; maxAttempts: number },
  ): Partial<ConsumerConfig> {
    const consumer = natsName(group)
    const redriven = redriveSubject(stream, consumer)
    const takesRedriven = allSubjects.some((pattern) => matches(pattern, redriven))
    return {
      durable_name: consumer,
      ack_policy: 'explicit',
      ack_wait: (leaseMs + sliceMs + graceMs) * nanos,
      // Beyond its attempts an event is given up by the adapter: the server would only stop to deliver it.
      max_deliver: -1,
      max_ack_pending: maxUnsettled,
      filter_subjects: takesRedriven ? [...subjects, redriven] : [...subjects],
      ...this.#policy,
      deliver_policy: 'by_start_sequence',
      opt_start_seq: before + 1,
      metadata: {
        [`${mark}start`]: start.slice(0, 2000),
        [`${mark}lease`]: String(leaseMs),
        [`${mark}attempts`]: String(maxAttempts),
        [`${mark}secret`]: Buffer.from(crypto.getRandomValues(new Uint8Array(18))).toString('base64url'),
      },
    }
  }

  async #make({ stream }: Topic, config: Partial<ConsumerConfig>): Promise<void> {
    const body = { stream_name: stream, action: 'create', config }
    await this.#client.api(`CONSUMER.CREATE.${stream}.${config.durable_name}`, 'the group', body)
  }

  async #unlessMissing(name: string, doing: string, body?: object): Promise<void> {
    await this.#client.api(name, doing, body).catch((error) => {
      if (!(error instanceof GatewayError && error.code === 'not_found')) throw error
    })
  }

  /** How old the oldest unsettled event is. */
  async #oldest(info: ConsumerInfo): Promise<number> {
    const next = await this.#next(info, settledUpTo(info) + 1)
    return next === undefined ? 0 : Math.max(0, Date.now() - next.storedAt)
  }

  /** The first event of the group from `seq` on. */
  async #next(
    { stream_name, config }: ConsumerInfo,
    seq: number,
  ): Promise<{ seq: number; storedAt: number } | undefined> {
    const filters = config.filter_subjects ?? [config.filter_subject ?? '>']
    const found = await Promise.all(filters.map((filter) => this.#first(stream_name, filter, seq)))
    const first = found.flatMap((one) => (one === undefined ? [] : [one])).sort((a, b) => a.seq - b.seq)[0]
    return first && { seq: first.seq, storedAt: Date.parse(first.time) }
  }

  /** The first message of a stream under a subject, from `seq` on. */
  async #first(stream: string, subject: string, seq: number): Promise<{ seq: number; time: string } | undefined> {
    try {
      const body = { seq, next_by_subj: subject }
      const found = await this.#client.retry('the place of the group', () =>
        this.#client.ask<{ message: { seq: number; time: string } }>(`STREAM.MSG.GET.${stream}`, body),
      )
      return found.message
    } catch (error) {
      if (error instanceof GatewayError && error.cause instanceof ApiError && error.code === 'not_found')
        return undefined
      throw error
    }
  }
}

/**
 * What whoever leads the consumer says of it, asked once. A replica that has just started answers before it takes part,
 * without a cluster: as if nothing had ever been delivered.
 */
export async function consumerInfo(client: NatsClient, topic: Topic, consumer: string): Promise<ConsumerInfo> {
  const info = await client.ask<ConsumerInfo>(`CONSUMER.INFO.${topic.stream}.${consumer}`)
  if (topic.replicated && !info.cluster?.leader) throw noLeader(`The consumer ${consumer} of ${topic.name}`)
  return info
}

/** The place before which the group has nothing unsettled. */
function settledUpTo({ num_ack_pending, ack_floor, delivered }: ConsumerInfo): number {
  return num_ack_pending > 0 ? ack_floor.stream_seq : delivered.stream_seq
}

function isGroup({ metadata }: ConsumerConfig): boolean {
  return metadata?.[`${mark}secret`] !== undefined
}
