import { isDeepStrictEqual } from 'node:util'
import { type Clock, Ids } from '../core/clock.ts'
import { GatewayError, toGatewayError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { SigningSecret, Subscription } from '../core/subscription.ts'
import type { OpenTopic } from '../core/topic.ts'
import { checkEndpoint } from '../http/endpoint.ts'
import type { TopicRegistry, Webhooks } from '../http/gateway.ts'
import { storedStart } from '../http/subscribing.ts'
import type { StoredSubscription, Subscriptions } from '../store/subscriptions.ts'
import { createSecret } from '../webhook/secret.ts'
import { type DeclaredSubscription, subscriptionFaults } from './declared.ts'

export interface SyncContext {
  readonly subscriptions: Subscriptions
  readonly topics: TopicRegistry
  readonly webhooks: Webhooks
  readonly clock: Clock
  readonly log: Logger
}

const vanished = 'The configuration does not declare it any more.'
/** How long a secret signs on after the configuration gave another one. */
const graceMs = 86_400_000
/** Other replicas that start now do the same. */
const patience = 10

/**
 * Brings what is stored to what the configuration declares: identity is the name. One that is declared no more is paused,
 * and belongs to the API from then on. Throws `misconfigured` that names everything at fault, before anything is changed.
 * Harmless to repeat, and to run on several replicas at once.
 */
export async function syncDeclared(declared: readonly DeclaredSubscription[], context: SyncContext): Promise<void> {
  const { subscriptions, topics, webhooks } = context
  const faults = subscriptionFaults(declared, (name) => {
    const topic = topics.resolve(name)
    return topic && { brokerName: topic.brokerName, capabilities: topic.broker.capabilities }
  })
  const stored = (await subscriptions.load()).subscriptions
  const byName = new Map(stored.map((one) => [one.name, one]))
  for (const { name, definition } of declared) {
    const before = byName.get(name)
    if (before === undefined || before.topic === definition.topic) continue
    faults.push(
      `Subscription ${name}: it is one of topic ${before.topic}, and a subscription cannot change its topic: give it another name.`,
    )
  }
  if (faults.length > 0) throw new GatewayError('misconfigured', faults.join('\n'))
  for (const { name, definition, refuse } of declared) {
    try {
      await checkEndpoint(webhooks, definition, byName.get(name))
      storedStart(topics.resolve(definition.topic)!, definition.start, '/start')
    } catch (error) {
      throw faultOf(error, refuse)
    }
  }

  const names = new Set(declared.map(({ name }) => name))
  for (const one of declared) await repeated(() => bring(one, topics.resolve(one.definition.topic)!, context))
  for (const one of stored) {
    if (one.declared && !names.has(one.name ?? '')) await repeated(() => retire(one.id, context))
  }
  webhooks.changed()
}

/** What is wrong with the subscription, told as a fault of the configuration; other errors stay what they are. */
function faultOf(error: unknown, refuse: DeclaredSubscription['refuse']): unknown {
  const refusal = toGatewayError(error)
  return refusal.retryable || refusal.code === 'internal' ? error : refuse(refusal)
}

/** Again where somebody else's change came between. */
async function repeated(change: () => Promise<void>): Promise<void> {
  for (let turn = 1; ; turn++) {
    try {
      return await change()
    } catch (error) {
      if (toGatewayError(error).code !== 'conflict' || turn === patience) throw error
    }
  }
}

async function bring(declared: DeclaredSubscription, topic: OpenTopic, context: SyncContext): Promise<void> {
  const { subscriptions, webhooks, clock, log } = context
  const { name, definition } = declared
  const now = clock.now()
  const known = (await subscriptions.load()).subscriptions.find((one) => one.name === name)
  if (known === undefined) {
    const start = storedStart(topic, definition.start, '/start')
    const feed = await webhooks.prepare(topic, start).catch((error: unknown) => {
      throw faultOf(error, declared.refuse)
    })
    const fresh: Subscription = {
      ...definition,
      start,
      id: `sub_${new Ids(clock).uuid()}`,
      secrets: [{ secret: declared.secret ?? createSecret(clock) }],
      status: 'active',
      declared: true,
      createdAt: now,
      updatedAt: now,
    }
    await subscriptions.create(fresh, feed)
    log('info', 'A declared subscription was created.', { subscription: name, topic: topic.name })
    return
  }
  const next = updated(known, declared, now)
  if (isDeepStrictEqual(next, subscriptionOf(known))) return
  await subscriptions.update({ ...next, updatedAt: now }, known.revision)
  log('info', 'A declared subscription was brought to what the configuration says.', { subscription: name })
}

/** Where it begins was settled when it was made. */
function updated(known: StoredSubscription, declared: DeclaredSubscription, now: number): Subscription {
  const { name, auth, reason, ...rest } = subscriptionOf(known)
  const back = known.status === 'paused' && reason === vanished
  return {
    ...rest,
    ...(!back && reason !== undefined && { reason }),
    ...declared.definition,
    start: known.start,
    secrets: secretsOf(known.secrets, declared.secret, now),
    status: back ? 'active' : known.status,
    declared: true,
  }
}

function secretsOf(known: readonly SigningSecret[], given: string | undefined, now: number): readonly SigningSecret[] {
  if (given === undefined || known[0]?.secret === given) return known
  const older = known
    .filter(({ secret, until }) => secret !== given && (until === undefined || until > now))
    .map(({ secret, until = now + graceMs }) => ({ secret, until: Math.min(until, now + graceMs) }))
  return [{ secret: given }, ...older]
}

async function retire(id: string, { subscriptions, clock, log }: SyncContext): Promise<void> {
  const known = await subscriptions.get(id)
  if (known === undefined || !known.declared) return
  const { name, status } = known
  const paused = status === 'active' ? ({ status: 'paused', reason: vanished } as const) : {}
  await subscriptions.update(
    { ...subscriptionOf(known), ...paused, declared: false, updatedAt: clock.now() },
    known.revision,
  )
  log('warn', 'A subscription is not declared any more.', { subscription: name, status: paused.status ?? status })
}

function subscriptionOf({ revision, feed, ...subscription }: StoredSubscription): Subscription {
  return subscription
}
