import type { Clock } from '../core/clock.ts'
import type { ItemError } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import type { Filter } from '../core/filter.ts'
import type { Logger } from '../core/logger.ts'
import type { OpenTopic } from '../core/topic.ts'

/** One way from a topic to another, as the configuration declares it. */
export interface DeclaredBridge {
  readonly name: string
  readonly from: string
  readonly to: string
  /** Where it begins when it is new; afterwards its group knows. */
  readonly start: 'earliest' | 'latest'
  readonly filters: readonly Filter[]
}

export interface BridgePlan extends Pick<DeclaredBridge, 'name' | 'start' | 'filters'> {
  readonly from: OpenTopic
  readonly to: OpenTopic
}

/** An event that the target refuses for good. */
export interface Refused {
  readonly bridge: BridgePlan
  readonly event: Event
  readonly position: string | undefined
  readonly error: ItemError
  /** Whether the source keeps it among the dead letters of the bridge's group. */
  readonly kept: boolean
}

/** What bridges need of the gateway around them. */
export interface BridgeContext {
  readonly clock: Clock
  readonly log: Logger
  /** Tells the world of an event that was not moved. Never rejects, never waits. */
  readonly announce: (refused: Refused) => void
  /** Called at the places where a crash must not matter; tests end the process there. */
  readonly failpoint?: (point: BridgePoint) => void
}

export type BridgePoint =
  | 'bridge-before-publish'
  | 'bridge-after-publish'
  | 'bridge-before-settle'
  | 'bridge-after-settle'
