import { z } from 'zod'
import { isTime } from '../core/event.ts'
import type { Subscription } from '../core/subscription.ts'
import type { OpenTopic } from '../core/topic.ts'
import type { Pending } from '../store/deliveries.ts'
import type { StoredSubscription } from '../store/subscriptions.ts'
import { outward } from './cursors.ts'
import { authKind, shownHeaders } from './endpoint.ts'
import { entityTag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { json } from './route.ts'
import { policyText, subscriptionForm } from './subscription-forms.ts'

/** How a subscription is shown. No secret is in it. */

const form = subscriptionForm.shape

export const subscriptionSchema = z
  .strictObject({
    id: z.string(),
    topic: z.string(),
    url: z.string(),
    name: z.string().optional(),
    filters: form.filters.unwrap(),
    mode: form.mode.unwrap(),
    headers: z.record(z.string(), z.string()),
    auth: z.strictObject({ kind: z.enum(['bearer', 'basic', 'oauth2', 'mtls']) }).optional(),
    ordering: form.ordering.unwrap(),
    start: z.string(),
    policy: z.strictObject({
      timeout: z.string(),
      retry: z.strictObject({ schedule: z.array(z.string()) }),
      concurrency: z.int(),
      ratePerSecond: z.number().nullable(),
      breaker: z.strictObject({
        failureRatio: z.number(),
        minimum: z.int(),
        window: z.string(),
        cooldown: z.string(),
      }),
      quota: z.strictObject({ events: z.int(), bytes: z.union([z.string(), z.int()]) }),
      onFull: z.enum(['block', 'discard']),
      onExhausted: z.enum(['dead-letter', 'discard']),
      noRetry: z.array(z.int()),
      disableAfter: z.string(),
      record: z.enum(['problems', 'all']),
    }),
    labels: z.record(z.string(), z.string()),
    signing: z
      .array(z.strictObject({ until: z.iso.datetime().optional() }))
      .meta({ description: 'The secrets that sign, newest first, and until when the older ones do' }),
    status: z.enum(['active', 'paused', 'disabled', 'ended']),
    reason: z.string().optional(),
    failingSince: z.iso.datetime().optional(),
    declared: z.boolean(),
    feed: z.enum(['attached', 'detached', 'rejoining']),
    state: z.strictObject({ breaker: z.enum(['closed', 'open', 'half-open']), inFlight: z.int() }),
    pending: z.strictObject({ events: z.int(), bytes: z.int(), oldestSeconds: z.number() }),
    lag: z.strictObject({ events: z.int(), oldestSeconds: z.number() }).meta({
      description:
        'What is pending, and what a detached subscription has not read from its log yet: at most so many, for filters are not asked',
    }),
    deliveries: z
      .strictObject({
        in_flight: z.int(),
        parked: z.int(),
        dead: z.int(),
        succeeded: z.int(),
        discarded: z.int(),
        expired: z.int(),
      })
      .optional()
      .meta({ description: 'Those that own a row, by status; not in lists' }),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
    warnings: z.array(z.string()).optional(),
  })
  .meta({ id: 'Subscription' })

/** The same with its secret: at creation, and when another one is made. */
export const subscriptionWithSecret = subscriptionSchema
  .extend({ secret: z.string() })
  .meta({ id: 'SubscriptionWithSecret' })

export function shown(
  gateway: Gateway,
  subscription: StoredSubscription,
  pending: Pending | undefined,
): z.input<typeof subscriptionSchema> {
  const { id, topic, url, name, filters, mode, headers, auth, ordering, policy, labels, secrets } = subscription
  const { status, reason, failingSince, declared, feed, createdAt, updatedAt } = subscription
  const now = gateway.clock.now()
  const warnings = warningsOf(subscription)
  const behind = gateway.webhooks.behind(subscription)
  const oldestAt = Math.min(pending?.oldestAt ?? now, behind?.oldestAt ?? now)
  return {
    id,
    topic,
    url,
    ...(name !== undefined && { name }),
    filters: [...filters],
    mode,
    headers: shownHeaders(headers),
    ...(auth !== undefined && { auth: { kind: authKind(auth) } }),
    ordering,
    start: startText(subscription.start, gateway.topics.resolve(topic)),
    policy: policyText(policy),
    labels,
    signing: secrets
      .filter(({ until }) => until === undefined || until > now)
      .map(({ until }) => (until === undefined ? {} : { until: iso(until) })),
    status,
    ...(reason !== undefined && { reason }),
    ...(failingSince !== undefined && { failingSince: iso(failingSince) }),
    declared,
    feed: feed.state,
    state: gateway.webhooks.state(id),
    pending: {
      events: pending?.events ?? 0,
      bytes: pending?.bytes ?? 0,
      oldestSeconds: pending === undefined ? 0 : Math.max(0, now - pending.oldestAt) / 1000,
    },
    lag: {
      events: (pending?.events ?? 0) + (behind?.events ?? 0),
      oldestSeconds: Math.max(0, now - oldestAt) / 1000,
    },
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
    ...(warnings.length > 0 && { warnings }),
  }
}

/** The answer that shows one subscription; `secret` only where it is new. */
export async function show(
  gateway: Gateway,
  subscription: StoredSubscription,
  status = 200,
  secret?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const { deliveries: rows } = gateway.store
  const [[pending], deliveries] = await Promise.all([
    rows.pending(subscription.id),
    rows.counts(subscription.id),
    gateway.webhooks.look(subscription),
  ])
  const body = { ...shown(gateway, subscription, pending), deliveries, ...(secret !== undefined && { secret }) }
  return json(body, status, { ...headers, etag: tagOf(gateway, subscription) })
}

/** Of what a subscription is, not of how it fares. */
export function tagOf(gateway: Gateway, { id, revision }: StoredSubscription): string {
  return entityTag(gateway, [id, revision])
}

/** A subscription as it could have been asked for, with everything that is secret: a patch is made to it. */
export function written(subscription: Subscription, topic: OpenTopic | undefined): z.input<typeof subscriptionForm> {
  const { url, name, filters, mode, headers, auth, ordering, start, policy, labels } = subscription
  return {
    topic: subscription.topic,
    url,
    ...(name !== undefined && { name }),
    filters: [...filters],
    mode,
    headers,
    ...(auth !== undefined && { auth }),
    ordering,
    start: startText(start, topic),
    policy: policyText(policy),
    labels,
  }
}

function startText(start: string, topic: OpenTopic | undefined): string {
  if (start === 'earliest' || start === 'latest' || isTime(start) || topic === undefined) return start
  return outward(topic, start)
}

function warningsOf({ mode }: Subscription): string[] {
  if (mode === 'structured') return []
  return [
    `In mode ${mode} the event's attributes are in headers, which the signature does not cover: it covers the data.`,
  ]
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
