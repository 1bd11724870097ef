import { toGatewayError } from '../../core/errors.ts'
import { fanoutGroup, isOwnGroup } from '../../core/own-group.ts'
import type { Draining } from '../../core/topic.ts'

/** What a group has not taken of an old binding. */
export interface GroupLeft {
  readonly group: string
  /** Undefined where the broker cannot tell. */
  readonly events: number | undefined
  /** One is enough to know that there are some; more are counted only so far. */
  readonly letters: number
  /** Events that were published with a delay come to it later. */
  readonly hasDelayed: boolean
  /** It is not the fan-out's, which comes to its end by itself: it has a deadline. */
  readonly isPulled: boolean
}

/** So many dead letters are counted at the most. */
const maxLetters = 1000

/** Where a topic has no subscriptions, nobody is owed what its group has. */
export async function leftIn(draining: Draining, isSubscribed: boolean): Promise<readonly GroupLeft[]> {
  const groups = await orNothing(draining.broker.groups.list(draining.brokerTopic), [])
  const wanted = groups.filter((group) => group !== fanoutGroup || isSubscribed)
  return Promise.all(wanted.map((group) => leftOf(draining, group)))
}

/** Where a broker cannot tell, only the deadline can. */
export function isDrained({ events, isPulled }: GroupLeft, isLeft: boolean): boolean {
  return events === 0 || (isLeft && (isPulled || events === undefined))
}

/** Whether nothing can come to it any more, unless it is published. */
export function isSpent(group: GroupLeft, isLeft: boolean): boolean {
  const { letters, hasDelayed, isPulled } = group
  return isDrained(group, isLeft) && (letters === 0 || isLeft) && (!hasDelayed || (isLeft && isPulled))
}

/** Events are counted last: what becomes due or is redriven meanwhile is among them. */
async function leftOf({ broker, brokerTopic, pulls }: Draining, group: string): Promise<GroupLeft> {
  const isPulled = group !== fanoutGroup
  const hasDelayed = (await orNothing(broker.groups.hasDelayed?.(brokerTopic, group), false)) ?? false
  const page = { limit: maxLetters }
  const letters =
    isPulled && pulls.capabilities.reject ? await orNothing(pulls.deadLetters?.list(brokerTopic, group, page), []) : []
  const at = isOwnGroup(group) ? broker : pulls
  const state = await orNothing(at.groups.describe(brokerTopic, group), undefined)
  const events = state === undefined ? 0 : state.lag?.events
  return { group, events, letters: letters?.length ?? 0, hasDelayed, isPulled }
}

/** Somebody deleted it meanwhile, or there never was such a topic. */
async function orNothing<T, N>(asked: Promise<T> | undefined, nothing: N): Promise<T | N> {
  try {
    return asked === undefined ? nothing : await asked
  } catch (error) {
    if (toGatewayError(error).code === 'not_found') return nothing
    throw error
  }
}
