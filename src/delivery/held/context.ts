import type { Clock } from '../../core/clock.ts'
import type { Logger } from '../../core/logger.ts'
import type { OpenTopic } from '../../core/topic.ts'
import type { HeldGroups } from '../../store/held-groups.ts'

/** What holding leases needs of the gateway around it. */
export interface HeldContext {
  readonly clock: Clock
  readonly store: HeldGroups
  readonly log: Logger
}

export type HeldPlace = Pick<OpenTopic, 'name' | 'brokerTopic' | 'broker' | 'epoch'>

/** How the store calls a group: another binding of the topic has other groups. */
export function storeName({ name, epoch }: HeldPlace, group: string): string {
  return `${name}/${epoch}/${group}`
}
