import type { Capabilities } from '../../src/core/index.ts'
import type { Config } from './config.ts'

export const second = 1000
const hour = 3600 * second
/** From its receipt on an event may be held for so long, however often that is changed. */
export const longestHoldMs = 12 * hour
/** What is left of it for a delay, whoever held the event before for a usual lease. */
const nackDelayMs = 11 * hour
export const dedupWindowMs = 300 * second
const publishDelayMs = 900 * second

/** What a dead letter says besides the event: why, how often, when. */
export const reservedBytes = 4096
/** Bytes that are no text become a third more (base64). */
const inflation = 4 / 3

/** What any event may have, be it all binary. */
export function maxEventBytesOf({ maxMessageSize }: Pick<Config, 'maxMessageSize'>): number {
  return Math.floor((maxMessageSize - reservedBytes) / inflation)
}

export function capabilitiesOf(config: Config): Capabilities {
  const { sns, fifo } = config
  return {
    settlement: 'individual',
    receipt: 'portable',
    // A standard queue may give an event twice by itself, and may delete it by an old handle.
    fencing: fifo ? 'deadline' : 'none',
    nackDelayMs,
    reject: true,
    extend: true,
    attempts: true,
    ordering: fifo ? 'key' : 'none',
    exclusiveKeys: fifo,
    dedupWindowMs: fifo ? dedupWindowMs : 0,
    publishDelayMs: sns || fifo ? 0 : publishDelayMs,
    atomicPublishMax: 0,
    groups: sns ? 'many' : 'one',
    seek: false,
    replay: false,
    lag: 'approximate',
    durability: isAws(config) ? 'replicated' : 'process',
    publish: { maxEvents: 1000, maxBytes: 8 << 20, concurrency: 4 },
    maxEventBytes: maxEventBytesOf(config),
  }
}

/** Elsewhere nobody knows what an acknowledgement survives, but that it is another process. */
function isAws({ endpoint }: Pick<Config, 'endpoint'>): boolean {
  if (endpoint === undefined) return true
  return /\.(amazonaws\.com|amazonaws\.com\.cn|api\.aws)$/.test(new URL(endpoint).hostname)
}
