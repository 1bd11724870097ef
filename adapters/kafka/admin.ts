import {
  type Admin as AdminClient,
  ConfigResourceTypes,
  IncrementalAlterConfigOperationTypes,
} from '@platformatic/kafka'
import {
  type Admin,
  type Change,
  formatDuration,
  GatewayError,
  type TopicSpec,
  type TopicState,
  UnsupportedError,
} from '../../src/core/index.ts'
import type { KafkaClient, TopicMetadata } from './client.ts'
import { hasProtocolError, translate } from './errors.ts'
import { readSettings, settingNames, type TopicSettings, writeSettings } from './settings.ts'

const deadlineMs = 20_000
const clusterDefault = -1
/** With three replicas and more an acknowledgement is to survive the loss of a node, whatever the cluster's default. */
const safeReplicas = 3
const safeMinInsync = 2

interface Existing {
  readonly metadata: TopicMetadata
  readonly settings: TopicSettings
}

/** Topics and their settings. What would shrink or delete is refused, and left to whoever runs the cluster. */
export class KafkaAdmin implements Admin {
  readonly #client: KafkaClient
  readonly #admin: () => AdminClient
  readonly #acks: 'all' | 'leader'

  constructor(client: KafkaClient, admin: () => AdminClient, acks: 'all' | 'leader') {
    this.#client = client
    this.#admin = admin
    this.#acks = acks
  }

  async ensure(topic: string, spec: TopicSpec): Promise<readonly Change[]> {
    const existing = await this.#find(topic)
    const changes = this.#plan(topic, spec, existing)
    if (existing === undefined) await this.#create(topic, spec)
    else if (changes.length > 0) await this.#alter(topic, spec, existing)
    return changes
  }

  async diff(topic: string, spec: TopicSpec): Promise<readonly Change[]> {
    return this.#plan(topic, spec, await this.#find(topic))
  }

  #plan(topic: string, spec: TopicSpec, existing: Existing | undefined): Change[] {
    const nodes = this.#client.nodes.length
    if (existing === undefined && (spec.replicas ?? 1) > nodes) throw tooFewNodes(topic, spec.replicas)
    return plan(topic, spec, existing)
  }

  async describe(topic: string): Promise<TopicState> {
    const existing = await this.#find(topic)
    if (existing === undefined) throw new GatewayError('not_found', `Kafka has no topic ${topic}.`)
    const { metadata, settings } = existing
    const { partitions } = metadata
    const replicas = replicasOf(metadata)
    const minInsyncReplicas = settings.minInsyncReplicas
    const replicated = this.#acks === 'all' && replicas > 1 && minInsyncReplicas > 1
    return {
      partitions: partitions.length,
      replicas,
      retention: retentionOf(settings, partitions.length),
      dedupWindowMs: 0,
      minInsyncReplicas,
      compaction: settings.compaction,
      durability: replicated ? 'replicated' : 'process',
      placement: partitions.map(({ leader, replicas, isr }, partition) => ({
        partition,
        ...(leader >= 0 && { leader }),
        replicas,
        inSync: isr,
      })),
    }
  }

  async list(): Promise<readonly string[]> {
    const topics = await this.#client.retry('the list of topics', deadlineMs, () => this.#admin().listTopics({}))
    return topics.sort()
  }

  async #find(topic: string): Promise<Existing | undefined> {
    try {
      const metadata = await this.#client.retry('the description of the topic', deadlineMs, () =>
        this.#client.refresh(topic),
      )
      return { metadata, settings: await this.#settings(topic) }
    } catch (thrown) {
      const error = translate(thrown, 'the description of the topic')
      if (error.code === 'not_found') return undefined
      throw error
    }
  }

  async #settings(topic: string): Promise<TopicSettings> {
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configurationKeys: settingNames }
    const [described] = await this.#client.retry('the description of the topic', deadlineMs, () =>
      this.#admin().describeConfigs({ resources: [resource] }),
    )
    return readSettings(described?.configs ?? [])
  }

  async #create(topic: string, spec: TopicSpec): Promise<void> {
    const { partitions = clusterDefault, replicas = clusterDefault } = spec
    const minInsyncReplicas = spec.minInsyncReplicas ?? (replicas >= safeReplicas ? safeMinInsync : undefined)
    const configs = [
      ...writeSettings({ ...spec, ...(minInsyncReplicas !== undefined && { minInsyncReplicas }) }, partitions),
      // A time in a read is when the event was stored, whatever the clocks of its producers say.
      { name: 'message.timestamp.type', value: 'LogAppendTime' },
    ]
    await this.#client.retry('the topic', deadlineMs, async () => {
      try {
        await this.#admin().createTopics({ topics: [{ topic, partitions, replicas }], configs })
      } catch (error) {
        if (hasProtocolError(error, 'TOPIC_ALREADY_EXISTS')) return
        if (hasProtocolError(error, 'INVALID_TOPIC_EXCEPTION')) throw nameRefused(topic, error)
        if (!hasProtocolError(error, 'INVALID_REPLICATION_FACTOR')) throw error
        throw tooFewNodes(topic, replicas)
      }
    })
    await this.#known(topic, Math.max(1, partitions))
    await this.#client.refresh(topic)
  }

  async #alter(topic: string, spec: TopicSpec, { metadata }: Existing): Promise<void> {
    const partitions = Math.max(spec.partitions ?? 0, metadata.partitionsCount)
    const configs = writeSettings(spec, partitions).map(({ name, value }) => ({
      name,
      value,
      configOperation: IncrementalAlterConfigOperationTypes.SET,
    }))
    await this.#client.retry('the settings of the topic', deadlineMs, async () => {
      if (configs.length > 0) {
        const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configs }
        await this.#admin().incrementalAlterConfigs({ resources: [resource] })
      }
      if (partitions > (await this.#client.refresh(topic)).partitionsCount) {
        await this.#admin().createPartitions({ topics: [{ name: topic, count: partitions, assignments: null }] })
      }
    })
    await this.#known(topic, partitions)
    await this.#client.refresh(topic)
  }

  /** Resolves once every node that answers has heard of it. */
  #known(topic: string, partitions: number): Promise<void> {
    return this.#client.retry('the topic', deadlineMs, async () => {
      if (await this.#client.knowsEverywhere(topic, partitions)) return
      throw new GatewayError('unavailable', 'The cluster does not know the topic everywhere yet.')
    })
  }
}

/** Its metrics have no dots, so that Kafka takes a dot and an underscore in names for the same. */
function nameRefused(topic: string, cause: unknown): GatewayError {
  const detail = `Kafka has a topic whose name differs from ${topic} only in dots and underscores: give this one another name at the broker (name).`
  return new GatewayError('conflict', detail, { cause })
}

function tooFewNodes(topic: string, replicas = clusterDefault): UnsupportedError {
  return new UnsupportedError('replicas', `The cluster has not the ${replicas} nodes that ${topic} is to have.`)
}

/** What `ensure` changes. Throws where it would shrink or delete, or cannot be. */
function plan(topic: string, spec: TopicSpec, existing: Existing | undefined): Change[] {
  if ((spec.dedupWindowMs ?? 0) > 0) {
    throw new UnsupportedError('dedupWindowMs', 'Kafka does not deduplicate by the id of an event.')
  }
  const wanted = showSpec(spec)
  if (existing === undefined) {
    return [{ field: 'topic', to: topic }, ...wanted.map(([field, to]) => ({ field, to }))]
  }
  const { metadata, settings } = existing
  const partitions = metadata.partitionsCount
  const had = new Map(
    showSpec({
      partitions,
      replicas: replicasOf(metadata),
      minInsyncReplicas: settings.minInsyncReplicas,
      compaction: settings.compaction,
      retention: retentionOf(settings, partitions),
    }),
  )
  refuseToShrink(topic, spec, { metadata, settings })
  return wanted.flatMap(([field, to]) => {
    const from = had.get(field)!
    return from === to ? [] : [{ field, from, to }]
  })
}

function refuseToShrink(topic: string, spec: TopicSpec, { metadata, settings }: Existing): void {
  const refuse = (what: string) => {
    throw new GatewayError('conflict', `Topic ${topic} of Kafka ${what}. Ask for what it has, or change it there.`)
  }
  const { partitions, replicas, minInsyncReplicas, compaction, retention } = spec
  const has = retentionOf(settings, metadata.partitionsCount)
  const copies = replicasOf(metadata)
  if (partitions !== undefined && partitions < metadata.partitionsCount) {
    refuse(`has ${metadata.partitionsCount} partitions; they cannot become fewer`)
  }
  if (replicas !== undefined && replicas !== copies) refuse(`has ${copies} replicas; the gateway does not move them`)
  if (minInsyncReplicas !== undefined && minInsyncReplicas < settings.minInsyncReplicas) {
    refuse(`has min.insync.replicas ${settings.minInsyncReplicas}; the gateway does not weaken it`)
  }
  if (compaction !== undefined && compaction !== settings.compaction) {
    refuse(`is ${settings.compaction ? '' : 'not '}compacted; to change that would delete events`)
  }
  if (retention === undefined) return
  if ((retention.ms ?? Infinity) < (has.ms ?? Infinity) || (retention.bytes ?? Infinity) < (has.bytes ?? Infinity)) {
    refuse(`keeps its events for ${showRetention(has)}; to shorten that would delete events`)
  }
}

function showSpec(spec: TopicSpec): [field: string, value: string][] {
  const { partitions, replicas, minInsyncReplicas, compaction, retention } = spec
  const shown: [string, string | undefined][] = [
    ['partitions', partitions?.toString()],
    ['replicas', replicas?.toString()],
    ['minInsyncReplicas', minInsyncReplicas?.toString()],
    ['compaction', compaction?.toString()],
    ['retention', retention && showRetention(retention)],
  ]
  return shown.filter((entry): entry is [string, string] => entry[1] !== undefined)
}

function showRetention({ ms, bytes }: NonNullable<TopicSpec['retention']>): string {
  const parts = ms === undefined ? [] : [formatDuration(ms)]
  if (bytes !== undefined) parts.push(`${bytes} bytes`)
  return parts.length === 0 ? 'unlimited' : parts.join(', ')
}

/** Kafka counts the bytes of each partition. */
function retentionOf({ retentionMs, retentionBytes }: TopicSettings, partitions: number) {
  return {
    ...(retentionMs !== undefined && { ms: retentionMs }),
    ...(retentionBytes !== undefined && { bytes: retentionBytes * partitions }),
  }
}

function replicasOf({ partitions }: TopicMetadata): number {
  return Math.min(...partitions.map(({ replicas }) => replicas.length))
}
