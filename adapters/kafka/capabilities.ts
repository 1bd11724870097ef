import type { Capabilities } from '../../src/core/index.ts'
import type { Config } from './config.ts'

/** What a batch's head, a record's own fields and its headers' lengths may take besides what an event counts. */
const overheadBytes = 2048
/** Of one publish, which is spread over the partitions; each divides what is more than the cluster takes as a batch. */
const publish = { maxEvents: 4000, maxBytes: 4 << 20, concurrency: 2 }
const atomicPublishMax = 1000

/** `maxMessageBytes` is what the cluster takes as one batch, `nodes` how many it has. */
export function capabilitiesOf({ acks }: Config, maxMessageBytes: number, nodes: number): Capabilities {
  const maxEventBytes = Math.max(1024, maxMessageBytes - overheadBytes)
  return {
    settlement: 'cumulative',
    receipt: 'session',
    fencing: 'broker',
    nackDelayMs: 0,
    reject: false,
    extend: false,
    attempts: false,
    ordering: 'key',
    exclusiveKeys: true,
    dedupWindowMs: 0,
    publishDelayMs: 0,
    atomicPublishMax: acks === 'all' ? atomicPublishMax : 0,
    groups: 'many',
    seek: true,
    replay: true,
    // Markers of transactions and what compaction removed have places too.
    lag: 'approximate',
    // An acknowledgement is no fsync: a machine's loss is survived by its replicas only.
    durability: acks === 'all' && nodes > 1 ? 'replicated' : 'process',
    publish,
    maxEventBytes,
  }
}
