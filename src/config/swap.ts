import type { Broker, GroupOptions } from '../core/broker.ts'
import { toGatewayError } from '../core/errors.ts'
import { fanoutGroup, fanoutOptions, isOwnGroup } from '../core/own-group.ts'
import type { Draining, OpenTopic } from '../core/topic.ts'

/** Replicas notice within this that a topic was bound elsewhere, and have stopped publishing to where it was. */
export const noticeMs = 4000

/** What a subscription asks of the broker of its topic. */
export interface Subscriber {
  readonly id: string
  readonly ordering: 'none' | 'key'
  /** It reads from the log of the broker that the topic is bound to. */
  readonly isDetached: boolean
}

/** One side of a swap. */
interface Side {
  readonly brokerName: string
  readonly brokerTopic: string
  readonly broker: Broker
}

/** Why a topic cannot go from one broker to another with all that it has there, a sentence each. Changes nothing. */
export async function swapRefusals(
  name: string,
  from: Side | undefined,
  to: Side,
  subscribers: readonly Subscriber[],
): Promise<string[]> {
  const who = `Topic ${name} on broker ${to.brokerName}`
  const { groups, exclusiveKeys, replay } = to.broker.capabilities
  const found: string[] = []
  const carried = from === undefined ? [] : await groupsOf(from)
  if (groups === 'one' && carried.length > 1) {
    found.push(
      `${who}: its groups at broker ${from?.brokerName} are ${carried.join(', ')}, and the broker has groups: one.`,
    )
  }
  for (const { id, ordering, isDetached } of subscribers) {
    if (ordering === 'none') continue
    if (!exclusiveKeys) {
      found.push(
        `${who}: subscription ${id} requires capability exclusiveKeys (ordering: key), and the broker has false.`,
      )
    } else if (isDetached && !replay && from !== undefined) {
      const detail = `subscription ${id}, which is ordered by key, still reads from the log of broker ${from.brokerName}`
      found.push(`${who}: ${detail}, and the broker has no replay: let it catch up first, or delete it.`)
    }
  }
  return found
}

/** Those that a broker has of a topic; none where it has no such topic. */
async function groupsOf({ broker, brokerTopic }: Side): Promise<readonly string[]> {
  try {
    return await broker.groups.list(brokerTopic)
  } catch (error) {
    if (toGatewayError(error).code === 'not_found') return []
    throw error
  }
}

/**
 * Makes the groups of the old broker at the new one, with their lease and attempts, where they are not there: they begin
 * now, before anything is published. Harmless to repeat.
 */
export async function carryGroups(topic: OpenTopic, from: Draining): Promise<void> {
  for (const group of await groupsOf(from)) {
    // The gateway's own are consumed by itself, without leases of its own.
    const at = isOwnGroup(group) ? topic.broker : topic.pulls
    const options = group === fanoutGroup ? fanoutOptions : await optionsOf(from, group)
    await at.groups.create(topic.brokerTopic, group, options)
  }
}

async function optionsOf(from: Draining, group: string): Promise<GroupOptions> {
  const at = isOwnGroup(group) ? from.broker : from.pulls
  const { leaseMs, maxAttempts } = await at.groups.describe(from.brokerTopic, group)
  // Where a broker does not remember them for the gateway's own groups.
  if (leaseMs <= 0) return fanoutOptions
  return { start: 'latest', leaseMs, maxAttempts }
}

/** The place behind the newest event; undefined where the broker keeps no history. */
export async function endOfLog({ broker, brokerTopic }: Side): Promise<string | undefined> {
  if (broker.log === undefined || !broker.capabilities.replay) return undefined
  const signal = new AbortController().signal
  for await (const { cursor } of broker.log.read(brokerTopic, 'latest', { signal })) return cursor
  return undefined
}
