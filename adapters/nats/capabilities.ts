import type { Capabilities } from '../../src/core/index.ts'
import { reservedBytes } from './codec.ts'
import type { Config } from './config.ts'
import { atomicMax } from './publish/atomic.ts'

const dayMs = 86_400_000
/** What the server has, by the level of its JetStream API: of 2.11, and of 2.12. */
const levelOfPins = 1
const levelOfBatches = 2

/** What opening learnt of the server. */
export interface Server {
  readonly level: number
  readonly maxPayload: number
  readonly clustered: boolean
}

export function canPin({ level }: Server): boolean {
  return level >= levelOfPins
}

export function capabilitiesOf({ ordering }: Config, { level, maxPayload, clustered }: Server): Capabilities {
  const isKeyed = ordering === 'key'
  return {
    settlement: 'individual',
    receipt: isKeyed ? 'session' : 'portable',
    fencing: 'deadline',
    // What waited for its delay when a process died could be of any key: all others would wait for it.
    nackDelayMs: isKeyed ? 0 : 7 * dayMs,
    reject: true,
    extend: true,
    attempts: true,
    ordering,
    exclusiveKeys: isKeyed,
    dedupWindowMs: 7 * dayMs,
    publishDelayMs: level >= levelOfBatches ? 7 * dayMs : 0,
    atomicPublishMax: level >= levelOfBatches ? atomicMax : 0,
    groups: 'many',
    seek: true,
    replay: true,
    lag: 'exact',
    durability: clustered ? 'replicated' : 'process',
    publish: { maxEvents: 500, maxBytes: 1 << 20, concurrency: 4 },
    // Half of what is reserved is for attributes that grow as headers.
    maxEventBytes: maxPayload - 2 * reservedBytes,
  }
}

export function hasBatches({ level }: Server): boolean {
  return level >= levelOfBatches
}
