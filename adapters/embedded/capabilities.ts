import type { Capabilities } from '../../src/core/index.ts'
import { dayMs, maxDedupMs } from './engine/topics.ts'

export const maxEventBytes = 16 << 20
const atomicPublishMax = 1000

export function capabilitiesOf(durability: 'memory' | 'process' | 'machine'): Capabilities {
  return {
    settlement: 'individual',
    receipt: 'portable',
    fencing: 'broker',
    nackDelayMs: 7 * dayMs,
    reject: true,
    extend: true,
    attempts: true,
    ordering: 'key',
    exclusiveKeys: true,
    dedupWindowMs: maxDedupMs,
    publishDelayMs: 7 * dayMs,
    atomicPublishMax,
    groups: 'many',
    seek: true,
    replay: true,
    lag: 'exact',
    durability,
    publish: { maxEvents: 1000, maxBytes: 1 << 20, concurrency: durability === 'memory' ? 1 : 2 },
    maxEventBytes,
  }
}
