import type { GroupOptions } from './broker.ts'

/** The gateway's own group on every topic that has subscriptions. */
export const fanoutGroup = 'sluice.fanout'

/**
 * As it is made. What a crashed replica had pulled comes again after the lease. Its events are never given up: what cannot
 * be delivered is written down.
 */
export const fanoutOptions: GroupOptions = { start: 'latest', leaseMs: 10_000, maxAttempts: 1_000_000_000 }

/** Groups that feed the gateway itself: whoever pulled one would take events away from subscriptions. */
export function isOwnGroup(group: string): boolean {
  return group.startsWith('sluice.')
}
