import type { Broker, Change, TopicSpec, TopicState } from '../core/broker.ts'
import { type Requirements, unmet } from '../core/capabilities.ts'
import { GatewayError, toGatewayError } from '../core/errors.ts'
import type { OpenedBroker } from './brokers.ts'
import type { Config, ConfiguredTopic } from './schema.ts'

/** A topic of the configuration and the broker that it is bound to. */
export interface DeclaredTopic {
  readonly name: string
  readonly brokerName: string
  /** The broker's name of it. */
  readonly brokerTopic: string
  readonly broker: Broker
  readonly requires: Requirements
  /** What the broker is to make of it; undefined where the configuration leaves the topic to the broker. */
  readonly spec: TopicSpec | undefined
  /** Whether the old broker's events may be left behind. */
  readonly abandon: boolean
  /** The old broker, where its events are to be consumed first. */
  readonly drainFrom?: string
  readonly drainDeadlineMs: number
}

/** How long pull groups have for what is left at the old broker, where the configuration does not say. */
const defaultDrainMs = 3_600_000

export function declaredTopics(
  topics: Readonly<Record<string, ConfiguredTopic>>,
  brokers: ReadonlyMap<string, OpenedBroker>,
): DeclaredTopic[] {
  return Object.entries(topics).map(([name, topic]) => {
    const { broker, adapter } = brokers.get(topic.broker)!
    const creates = topic.ensure !== undefined || adapter.declaringCreates
    return {
      name,
      brokerName: topic.broker,
      brokerTopic: topic.name ?? name,
      broker,
      requires: requirementsOf(topic),
      spec: creates ? specOf(topic) : undefined,
      abandon: topic.abandon === true,
      ...(topic.drainFrom !== undefined && { drainFrom: topic.drainFrom }),
      drainDeadlineMs: topic.drainDeadline ?? defaultDrainMs,
    }
  })
}

export function requirementsOf({ requires = {} }: ConfiguredTopic): Requirements {
  return Object.fromEntries(Object.entries(requires).filter(([, value]) => value !== undefined))
}

/** The topics that bridges move the events of a topic to, over however many. */
export function topicsBehind(name: string, { bridges }: Config): readonly string[] {
  const found = new Set<string>()
  const follow = (topic: string): void => {
    for (const { from, to } of bridges) {
      if (from !== topic || found.has(to)) continue
      found.add(to)
      follow(to)
    }
  }
  follow(name)
  return [...found]
}

/** Whether one of them requires order by key. */
export function requireOrder(names: readonly string[], { topics }: Config): boolean {
  return names.some((name) => (topics[name]?.requires?.ordering ?? 'none') !== 'none')
}

function specOf({ ensure = {} }: ConfiguredTopic): TopicSpec {
  const { partitions, replicas, minInsyncReplicas, compaction, retention, dedupWindow } = ensure
  return {
    ...(partitions !== undefined && { partitions }),
    ...(replicas !== undefined && { replicas }),
    ...(minInsyncReplicas !== undefined && { minInsyncReplicas }),
    ...(compaction !== undefined && { compaction }),
    ...(retention !== undefined && { retention }),
    ...(dedupWindow !== undefined && { dedupWindowMs: dedupWindow }),
  }
}

/**
 * What the opened brokers cannot give to a topic, a sentence each with topic, broker and capability: requirements that
 * are not met, and what `ensure` asks for in vain. Changes nothing.
 */
export async function refusals(topics: readonly DeclaredTopic[]): Promise<string[]> {
  const found: string[] = []
  for (const topic of topics) {
    const who = `Topic ${topic.name} on broker ${topic.brokerName}`
    for (const { capability, asked, has } of unmet(topic.requires, topic.broker.capabilities)) {
      found.push(`${who}: requires capability ${capability}: ${asked}, and the broker has ${has}.`)
    }
    if (topic.spec === undefined) {
      const missing = await missingTopic(topic)
      if (missing !== undefined) found.push(`${who}: ${missing}`)
    }
    const weaker = await weakness(topic)
    if (weaker !== undefined) found.push(weaker)
    if (topic.spec === undefined) continue
    if (topic.broker.admin === undefined) {
      found.push(`${who}: ensure is not possible, for this broker does not let topics be made; leave it out.`)
      continue
    }
    try {
      await topic.broker.admin.diff(topic.brokerTopic, topic.spec)
    } catch (thrown) {
      const error = toGatewayError(thrown)
      if (error.retryable) throw named(who, thrown)
      found.push(`${who}: ${sentenceOf(error)}`)
    }
  }
  return found
}

/**
 * Makes a declared topic, or brings it to what was asked, and says what changed. Throws where what it is then is less
 * than what it requires.
 */
export async function ensureTopic(topic: DeclaredTopic): Promise<readonly Change[]> {
  const { name, brokerName, brokerTopic, broker, spec } = topic
  if (spec === undefined) return []
  let changes: readonly Change[]
  try {
    changes = (await broker.admin?.ensure(brokerTopic, spec)) ?? []
  } catch (thrown) {
    throw named(`Topic ${name} on broker ${brokerName}`, thrown)
  }
  const weaker = await weakness(topic)
  if (weaker !== undefined) throw new GatewayError('misconfigured', weaker)
  return changes
}

/** Why a topic that the configuration leaves to the broker cannot be used; undefined where it can, or nobody can tell. */
async function missingTopic(topic: DeclaredTopic): Promise<string | undefined> {
  if (topic.broker.admin === undefined || (await stateOf(topic)) !== undefined) return undefined
  return `the broker has no topic ${topic.brokerTopic}: make it there, or let it be made by ensure: {}.`
}

/** What the topic's own settings make of the broker's durability, where that is less than the topic requires. */
async function weakness(topic: DeclaredTopic): Promise<string | undefined> {
  const { name, brokerName, requires } = topic
  if (requires.durability === undefined) return undefined
  const state = await stateOf(topic)
  if (state?.durability === undefined) return undefined
  const { durability, replicas, minInsyncReplicas } = state
  const [found] = unmet({ durability: requires.durability }, { ...topic.broker.capabilities, durability })
  if (found === undefined) return undefined
  const why = `replicas ${replicas}${minInsyncReplicas === undefined ? '' : `, minInsyncReplicas ${minInsyncReplicas}`}`
  return `Topic ${name} on broker ${brokerName}: requires capability durability: ${found.asked}, and the topic has ${found.has} (${why}).`
}

/** Undefined where the broker has no such topic. */
async function stateOf({ name, brokerName, brokerTopic, broker }: DeclaredTopic): Promise<TopicState | undefined> {
  try {
    return await broker.admin?.describe(brokerTopic)
  } catch (thrown) {
    if (thrown instanceof GatewayError && thrown.code === 'not_found') return undefined
    throw named(`Topic ${name} on broker ${brokerName}`, thrown)
  }
}

function named(who: string, thrown: unknown): GatewayError {
  const error = toGatewayError(thrown)
  return new GatewayError(error.code, `${who}: ${sentenceOf(error)}`, { cause: thrown })
}

function sentenceOf({ message, capability }: GatewayError): string {
  return capability === undefined ? message : `${message} (capability ${capability})`
}
