import type { GroupOptions } from './broker.ts'
import { groupNameMax } from './topic-name.ts'

/** The gateway's own group on every topic that has subscriptions. */
export const fanoutGroup = 'sluice.fanout'

/**
 * As it is made. What a crashed replica had pulled comes again after the lease. Its events are never given up: what cannot
 * be delivered is written down.
 */
export const fanoutOptions: GroupOptions = { start: 'latest', leaseMs: 10_000, maxAttempts: 1_000_000_000 }

const bridgePrefix = 'sluice.bridge.'

/** So long may a bridge's name be. */
export const bridgeNameMax = groupNameMax - bridgePrefix.length

/** The group of a bridge on its source. */
export function bridgeGroup(bridge: string): string {
  return `${bridgePrefix}${bridge}`
}

export function isBridgeGroup(group: string): boolean {
  return group.startsWith(bridgePrefix)
}

/** Groups that feed the gateway itself: whoever pulled one would take events away from subscriptions and bridges. */
export function isOwnGroup(group: string): boolean {
  return group.startsWith('sluice.')
}
