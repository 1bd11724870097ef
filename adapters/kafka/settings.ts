import type { TopicSpec } from '../../src/core/index.ts'

/** The settings of a topic that the gateway reads and writes (Apache Kafka, "Topic Configs"). */
export interface TopicSettings {
  readonly minInsyncReplicas: number
  readonly compaction: boolean
  /** Undefined where nothing is deleted for its age. */
  readonly retentionMs: number | undefined
  /** Of each partition. */
  readonly retentionBytes: number | undefined
}

const names = {
  minInsync: 'min.insync.replicas',
  cleanup: 'cleanup.policy',
  retentionMs: 'retention.ms',
  retentionBytes: 'retention.bytes',
} as const

export const settingNames: string[] = Object.values(names)

export function readSettings(configs: readonly { name: string; value?: string | null | undefined }[]): TopicSettings {
  const value = (name: string): string => configs.find((config) => config.name === name)?.value ?? ''
  const cleanup = value(names.cleanup)
  // A topic that is only compacted keeps the newest of each key for ever.
  const deletes = cleanup.includes('delete')
  return {
    minInsyncReplicas: Number(value(names.minInsync)),
    compaction: cleanup.includes('compact'),
    retentionMs: deletes ? bounded(value(names.retentionMs)) : undefined,
    retentionBytes: deletes ? bounded(value(names.retentionBytes)) : undefined,
  }
}

/** Only what is asked for. `partitions` share the bytes of the topic; where their number is not known, each has all. */
export function writeSettings(spec: TopicSpec, partitions: number): { name: string; value: string }[] {
  const { minInsyncReplicas, compaction, retention } = spec
  const settings: { name: string; value: string }[] = []
  const set = (name: string, value: string | number) => settings.push({ name, value: String(value) })
  if (minInsyncReplicas !== undefined) set(names.minInsync, minInsyncReplicas)
  if (compaction !== undefined) set(names.cleanup, compaction ? (retention ? 'compact,delete' : 'compact') : 'delete')
  if (retention === undefined) return settings
  set(names.retentionMs, retention.ms ?? -1)
  set(names.retentionBytes, retention.bytes === undefined ? -1 : Math.ceil(retention.bytes / Math.max(1, partitions)))
  return settings
}

function bounded(text: string): number | undefined {
  const value = Number(text)
  return text === '' || value < 0 ? undefined : value
}
