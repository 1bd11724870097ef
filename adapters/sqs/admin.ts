import {
  type Admin,
  type Change,
  formatDuration,
  formatSize,
  GatewayError,
  type TopicSpec,
  type TopicState,
  UnsupportedError,
} from '../../src/core/index.ts'
import { dedupWindowMs, second } from './capabilities.ts'
import type { Config } from './config.ts'
import { noTopic } from './errors.ts'
import type { Layout, TopicFacts } from './layout.ts'

const day = 86_400 * second
const retention = { least: 60 * second, most: 14 * day, usual: 4 * day }

/** Topics and their settings. What would shrink or delete is refused. */
export class SqsAdmin implements Admin {
  readonly #layout: () => Layout
  readonly #config: Config

  /** `layout` throws where the broker is closed. */
  constructor(layout: () => Layout, config: Config) {
    this.#layout = layout
    this.#config = config
  }

  async ensure(topic: string, spec: TopicSpec): Promise<readonly Change[]> {
    const { wanted, existing, changes } = await this.#plan(topic, spec)
    if (existing === undefined) await this.#layout().create(topic, wanted)
    else if (changes.length > 0) await this.#layout().change(topic, wanted)
    return changes
  }

  async diff(topic: string, spec: TopicSpec): Promise<readonly Change[]> {
    return (await this.#plan(topic, spec)).changes
  }

  async describe(topic: string): Promise<TopicState> {
    const facts = await this.#layout().find(topic)
    if (facts === undefined) throw noTopic(topic)
    return {
      partitions: 1,
      replicas: 1,
      retention: { ms: facts.retentionMs ?? retention.usual },
      dedupWindowMs: this.#config.fifo ? dedupWindowMs : 0,
    }
  }

  async list(): Promise<readonly string[]> {
    return (await this.#layout().topics()).toSorted()
  }

  async #plan(topic: string, spec: TopicSpec) {
    refuse(spec, this.#config)
    const existing = await this.#layout().find(topic)
    const retentionMs = spec.retention?.ms
    const wanted: TopicFacts = {
      ...(retentionMs !== undefined && { retentionMs }),
      // Of a queue from before messages could be so large.
      ...(!this.#config.sns &&
        (existing?.maxMessageSize ?? Infinity) < this.#config.maxMessageSize && {
          maxMessageSize: this.#config.maxMessageSize,
        }),
    }
    return { wanted, existing, changes: changesOf(topic, wanted, existing) }
  }
}

function changesOf(topic: string, wanted: TopicFacts, existing: TopicFacts | undefined): Change[] {
  const asked = wanted.retentionMs
  if (existing === undefined) {
    const made = { field: 'topic', to: topic }
    return asked === undefined ? [made] : [made, { field: 'retention', to: formatDuration(asked) }]
  }
  const changes: Change[] = []
  const has = existing.retentionMs
  if (asked !== undefined && has !== undefined && asked < has) {
    const detail = `Topic ${topic} keeps its events for ${formatDuration(has)}; to shorten that would delete events. Ask for what it has, or change it there.`
    throw new GatewayError('conflict', detail)
  }
  if (asked !== undefined && has !== undefined && asked > has) {
    changes.push({ field: 'retention', from: formatDuration(has), to: formatDuration(asked) })
  }
  if (wanted.maxMessageSize !== undefined) {
    const from = String(formatSize(existing.maxMessageSize!))
    changes.push({ field: 'maxMessageSize', from, to: String(formatSize(wanted.maxMessageSize)) })
  }
  return changes
}

/** What SQS has no word for, or other values. */
function refuse(
  { partitions, replicas, minInsyncReplicas, compaction, retention: kept, dedupWindowMs: window }: TopicSpec,
  { fifo }: Config,
) {
  if (partitions !== undefined)
    throw new UnsupportedError('partitions', 'SQS has no partitions to choose; leave it out.')
  if (replicas !== undefined || minInsyncReplicas !== undefined) {
    throw new UnsupportedError('replicas', 'SQS decides by itself how many copies there are; leave it out.')
  }
  if (compaction === true) throw new UnsupportedError('compaction', 'SQS does not keep the newest event of a key.')
  if (kept?.bytes !== undefined)
    throw new UnsupportedError('retention', 'SQS keeps events by their age, not by their bytes.')
  if (kept?.ms !== undefined && (kept.ms < retention.least || kept.ms > retention.most)) {
    throw new UnsupportedError('retention', 'SQS keeps events for 1m to 14d.')
  }
  if (window === undefined || window === (fifo ? dedupWindowMs : 0)) return
  const detail = fifo
    ? 'FIFO queues deduplicate for exactly 5m.'
    : 'Standard queues do not deduplicate; FIFO ones (fifo: true at this broker) do for exactly 5m.'
  throw new UnsupportedError('dedupWindowMs', detail)
}
