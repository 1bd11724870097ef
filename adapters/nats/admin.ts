import type { StreamConfig, StreamInfo } from '@nats-io/jetstream'
import {
  type Admin,
  type Change,
  formatDuration,
  GatewayError,
  type TopicSpec,
  type TopicState,
  UnsupportedError,
} from '../../src/core/index.ts'
import { hasBatches, type Server } from './capabilities.ts'
import type { NatsClient } from './client.ts'
import { isApiError } from './errors.ts'
import { gatewayName, matches, natsName, redriveSubject, type SubjectTemplate } from './names.ts'
import { dedupMark, type Streams } from './streams.ts'

/** Marks a stream that holds what groups gave up, by the stream of the topic. */
export const deadMark = 'sluice.dead'
const nanos = 1e6
/** The server's least window that is not its default. */
const leastWindowMs = 100
const mostReplicas = 5

interface ListPage {
  readonly total: number
  readonly streams?: readonly StreamInfo[]
}

/** Streams and their settings. What would shrink or delete is refused, and left to whoever runs the servers. */
export class NatsAdmin implements Admin {
  readonly #client: NatsClient
  readonly #streams: Streams
  readonly #template: SubjectTemplate
  readonly #server: Server

  constructor(client: NatsClient, streams: Streams, template: SubjectTemplate, server: Server) {
    this.#client = client
    this.#streams = streams
    this.#template = template
    this.#server = server
  }

  async ensure(topic: string, spec: TopicSpec): Promise<readonly Change[]> {
    const existing = await this.#find(topic)
    const wanted = this.#wanted(topic, spec, existing)
    const changes = changesOf(topic, existing?.config, wanted)
    if (existing === undefined) await this.#create(topic, wanted)
    else if (changes.length > 0) {
      await this.#client.api(`STREAM.UPDATE.${natsName(topic)}`, `the change of the stream of ${topic}`, wanted)
    }
    if (changes.length > 0) await this.#streams.fresh(topic)
    return changes
  }

  async diff(topic: string, spec: TopicSpec): Promise<readonly Change[]> {
    const existing = await this.#find(topic)
    return changesOf(topic, existing?.config, this.#wanted(topic, spec, existing))
  }

  async describe(topic: string): Promise<TopicState> {
    const { info } = await this.#streams.fresh(topic)
    const { num_replicas, duplicate_window, storage, metadata = {} } = info.config
    const replicated = num_replicas >= 3
    const ofOne = storage === 'memory' ? 'memory' : 'process'
    return {
      partitions: 1,
      replicas: num_replicas,
      retention: retentionOf(info.config),
      dedupWindowMs: metadata[dedupMark] === 'none' ? 0 : duplicate_window / nanos,
      minInsyncReplicas: quorumOf(num_replicas),
      durability: replicated ? 'replicated' : ofOne,
    }
  }

  async list(): Promise<readonly string[]> {
    const topics: string[] = []
    for (let offset = 0; ; ) {
      const { total, streams = [] } = await this.#client.api<ListPage>('STREAM.LIST', 'the list of streams', { offset })
      offset += streams.length
      for (const { config } of streams) {
        const isTopic = config.retention === 'limits' && config.metadata?.[deadMark] === undefined
        if (isTopic) topics.push(gatewayName(config.name))
      }
      if (streams.length === 0 || offset >= total) return topics.sort()
    }
  }

  async #find(topic: string): Promise<StreamInfo | undefined> {
    try {
      return (await this.#streams.fresh(topic)).info
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'not_found') return undefined
      throw error
    }
  }

  async #create(topic: string, config: Partial<StreamConfig>): Promise<void> {
    const stream = natsName(topic)
    await this.#client.retry(`the stream of ${topic}`, async () => {
      try {
        await this.#client.ask(`STREAM.CREATE.${stream}`, config)
      } catch (error) {
        if (isApiError(error, 10058)) return
        if (isApiError(error, 10074, 10005)) throw tooFewNodes(topic, config.num_replicas)
        if (!isApiError(error, 10065)) throw error
        const detail = `NATS has another stream that takes ${config.subjects!.join(' or ')}: set subject of the broker, or delete that stream.`
        throw new GatewayError('conflict', detail, { cause: error })
      }
    })
  }

  /** The stream's configuration as `ensure` leaves it. Throws where that would shrink or delete, or cannot be. */
  #wanted(topic: string, spec: TopicSpec, existing: StreamInfo | undefined): Partial<StreamConfig> {
    refuseUnknown(spec, existing?.config.num_replicas ?? spec.replicas ?? 1)
    const stream = natsName(topic)
    const config: Partial<StreamConfig> = existing?.config ?? {
      name: stream,
      subjects: [this.#template.pattern(stream)],
      retention: 'limits',
      storage: 'file',
      discard: 'old',
      num_replicas: 1,
      metadata: {},
    }
    if (existing !== undefined) refuseToShrink(topic, spec, existing.config)
    const { replicas, retention, dedupWindowMs } = spec
    const subjects = [...(config.subjects ?? [])]
    for (const added of [
      redriveSubject(stream, '*'),
      ...(hasBatches(this.#server) ? [`sluice.later.${stream}.*`] : []),
    ]) {
      if (!subjects.some((pattern) => pattern === added || matches(pattern, added))) subjects.push(added)
    }
    return {
      ...config,
      subjects,
      ...(replicas !== undefined && { num_replicas: replicas }),
      ...(retention !== undefined && { max_age: (retention.ms ?? 0) * nanos, max_bytes: retention.bytes ?? -1 }),
      ...(dedupWindowMs !== undefined && dedupWindowMs > 0 && { duplicate_window: dedupWindowMs * nanos }),
      ...(dedupWindowMs !== undefined && {
        metadata: { ...config.metadata, [dedupMark]: dedupWindowMs === 0 ? 'none' : 'source and id' },
      }),
      ...(hasBatches(this.#server) && { allow_atomic: true, allow_msg_schedules: true }),
    }
  }
}

function quorumOf(replicas: number): number {
  return Math.floor(replicas / 2) + 1
}

function refuseUnknown(
  { partitions = 1, replicas = 1, minInsyncReplicas, compaction, dedupWindowMs }: TopicSpec,
  has: number,
) {
  if (partitions > 1)
    throw new UnsupportedError('partitions', 'A stream of NATS has no partitions: leave partitions out.')
  if (replicas > mostReplicas)
    throw new UnsupportedError('replicas', `NATS keeps ${mostReplicas} replicas at the most.`)
  if (minInsyncReplicas !== undefined && minInsyncReplicas > quorumOf(has)) {
    const detail = `NATS waits for the majority, which is ${quorumOf(has)} of ${has} replicas; ${minInsyncReplicas} cannot be asked for.`
    throw new UnsupportedError('minInsyncReplicas', detail)
  }
  if (compaction === true) throw new UnsupportedError('compaction', 'The adapter for NATS does not compact by key.')
  if (dedupWindowMs !== undefined && dedupWindowMs > 0 && dedupWindowMs < leastWindowMs) {
    throw new UnsupportedError('dedupWindowMs', `The shortest window of NATS is ${leastWindowMs}ms.`)
  }
}

function tooFewNodes(topic: string, replicas = 1): UnsupportedError {
  return new UnsupportedError('replicas', `The servers of NATS are too few for the ${replicas} replicas of ${topic}.`)
}

function refuseToShrink(topic: string, { replicas, retention, dedupWindowMs }: TopicSpec, config: StreamConfig): void {
  const refuse = (what: string) => {
    throw new GatewayError('conflict', `The stream of ${topic} ${what}. Ask for what it has, or change it there.`)
  }
  if (replicas !== undefined && replicas < config.num_replicas)
    refuse(`has ${config.num_replicas} replicas; the gateway removes none`)
  if (dedupWindowMs !== undefined && dedupWindowMs * nanos < windowOf(config)) {
    refuse(`tells events apart for ${formatDuration(windowOf(config) / nanos)}; the gateway does not shorten it`)
  }
  if (retention === undefined) return
  const has = retentionOf(config)
  if ((retention.ms ?? Infinity) < (has.ms ?? Infinity) || (retention.bytes ?? Infinity) < (has.bytes ?? Infinity)) {
    refuse(`keeps its events for ${showRetention(has)}; to shorten that would delete events`)
  }
}

function windowOf({ metadata = {}, duplicate_window }: Partial<StreamConfig>): number {
  return metadata[dedupMark] === 'none' ? 0 : (duplicate_window ?? 0)
}

function retentionOf({ max_age = 0, max_bytes = -1 }: Partial<StreamConfig>) {
  return { ...(max_age > 0 && { ms: max_age / nanos }), ...(max_bytes > 0 && { bytes: max_bytes }) }
}

function showRetention({ ms, bytes }: NonNullable<TopicSpec['retention']>): string {
  const parts = ms === undefined ? [] : [formatDuration(ms)]
  if (bytes !== undefined) parts.push(`${bytes} bytes`)
  return parts.length === 0 ? 'unlimited' : parts.join(', ')
}

function shown(config: Partial<StreamConfig>): [field: string, value: string][] {
  const settings = [config.allow_atomic && 'allow_atomic', config.allow_msg_schedules && 'allow_msg_schedules']
  return [
    ['subjects', config.subjects?.join(', ') ?? ''],
    ['replicas', String(config.num_replicas ?? 1)],
    ['retention', showRetention(retentionOf(config))],
    ['dedupWindow', config.duplicate_window === undefined ? '' : formatDuration(windowOf(config) / nanos)],
    ['settings', settings.filter(Boolean).join(', ')],
  ]
}

function changesOf(
  topic: string,
  existing: Partial<StreamConfig> | undefined,
  wanted: Partial<StreamConfig>,
): Change[] {
  const to = shown(wanted).filter(([, value]) => value !== '')
  if (existing === undefined)
    return [{ field: 'topic', to: topic }, ...to.map(([field, value]) => ({ field, to: value }))]
  const from = new Map(shown(existing))
  return to.flatMap(([field, value]) =>
    from.get(field) === value ? [] : [{ field, from: from.get(field)!, to: value }],
  )
}
