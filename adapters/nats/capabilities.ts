import { type Capabilities, GatewayError } from '../../src/core/index.ts'
import { reservedBytes } from './codec.ts'
import type { Config } from './config.ts'
import { atomicMax } from './publish/atomic.ts'

const dayMs = 86_400_000
/** With what a consumer can be told by (its metadata), and who made it. */
const oldest = [2, 10] as const
/** It says that it has batches, and refuses every one that could be told from another. */
const halfDone = '2.12.0'
/** What the server has, by the level of its JetStream API: of 2.11, and of 2.12. */
const levelOfPins = 1
const levelOfBatches = 2

/** What opening learnt of the server. */
export interface Server {
  readonly level: number
  readonly maxPayload: number
  readonly clustered: boolean
}

/** Throws `misconfigured` for a server that is not spoken to. */
export function checkVersion(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
    throw new GatewayError('misconfigured', `nats-server ${version} is too old: 2.10 is the oldest spoken to.`)
  }
  if (version.startsWith(halfDone)) {
    const detail = `nats-server ${version} takes several events as one only without message ids: upgrade to 2.12.1 or newer.`
    throw new GatewayError('misconfigured', detail)
  }
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
