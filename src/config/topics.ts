import type { Broker, TopicSpec } from '../core/broker.ts'
import { type Requirements, unmet } from '../core/capabilities.ts'
import { GatewayError, toGatewayError } from '../core/errors.ts'
import type { OpenedBroker } from './brokers.ts'
import type { ConfiguredTopic } from './schema.ts'

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
}

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
    }
  })
}

export function requirementsOf({ requires = {} }: ConfiguredTopic): Requirements {
  return Object.fromEntries(Object.entries(requires).filter(([, value]) => value !== undefined))
}

function specOf({ ensure = {} }: ConfiguredTopic): TopicSpec {
  const { partitions, replicas, retention, dedupWindow } = ensure
  return {
    ...(partitions !== undefined && { partitions }),
    ...(replicas !== undefined && { replicas }),
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
      const capability = error.capability === undefined ? '' : ` (capability ${error.capability})`
      found.push(`${who}: ${error.message}${capability}`)
    }
  }
  return found
}

/** Makes a declared topic, or brings it to what was asked. */
export async function ensureTopic({ name, brokerName, brokerTopic, broker, spec }: DeclaredTopic): Promise<void> {
  if (spec === undefined) return
  try {
    await broker.admin?.ensure(brokerTopic, spec)
  } catch (thrown) {
    throw named(`Topic ${name} on broker ${brokerName}`, thrown)
  }
}

function named(who: string, thrown: unknown): GatewayError {
  const { code, message } = toGatewayError(thrown)
  return new GatewayError(code, `${who}: ${message}`, { cause: thrown })
}
