import { z } from 'zod'
import { formatDuration } from '../core/duration.ts'
import { formatSize } from '../core/size.ts'
import { defaultPolicy, type EndpointAuth, type Policy, type Subscription } from '../core/subscription.ts'
import { isTopicName } from '../core/topic-name.ts'
import { filtersForm } from './filter-form.ts'
import { duration, rate, size } from './schemas.ts'

/** How a subscription is written, in the API and in the configuration. */

const day = 86_400_000
const nameForm = 'must be lower-case letters and digits, joined by single dots, hyphens or underscores, at most'

/** What stands in for a value that is not shown. */
export const hidden = '[redacted]'

const policyForm = z.strictObject({
  timeout: duration(60_000, 100).prefault(formatDuration(defaultPolicy.timeoutMs)),
  retry: z
    .strictObject({
      schedule: z
        .array(duration(30 * day))
        .max(50)
        .prefault(defaultPolicy.retryMs.map(formatDuration)),
    })
    .prefault({}),
  concurrency: z.int().min(1).max(1000).default(defaultPolicy.concurrency),
  ratePerSecond: rate.nullable().default(defaultPolicy.ratePerSecond),
  breaker: z
    .strictObject({
      failureRatio: z.number().positive().max(1).default(defaultPolicy.breaker.failureRatio),
      minimum: z.int().min(1).max(100_000).default(defaultPolicy.breaker.minimum),
      window: duration(3_600_000, 1000).prefault(formatDuration(defaultPolicy.breaker.windowMs)),
      cooldown: duration(day, 100).prefault(formatDuration(defaultPolicy.breaker.cooldownMs)),
    })
    .prefault({}),
  quota: z
    .strictObject({
      events: z.int().min(1).max(100_000_000).default(defaultPolicy.quota.events),
      bytes: size(2 ** 40, 1024).prefault(formatSize(defaultPolicy.quota.bytes)),
    })
    .prefault({}),
  onFull: z.enum(['block', 'discard']).default(defaultPolicy.onFull),
  onExhausted: z.enum(['dead-letter', 'discard']).default(defaultPolicy.onExhausted),
  noRetry: z
    .array(z.int().min(300).max(599))
    .max(300)
    .default([...defaultPolicy.noRetry]),
  disableAfter: duration(365 * day, 1000).prefault(formatDuration(defaultPolicy.disableAfterMs)),
  record: z.enum(['problems', 'all']).default(defaultPolicy.record),
})

const text = (max: number) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(max)
    .regex(/^\P{Cc}*$/u, 'must have no control characters')

const pem = (what: RegExp, said: string) => z.string().max(65_536).regex(what, `must be ${said} as PEM`)

const authForm = z
  .strictObject({
    bearer: z
      .string()
      .max(8192)
      .regex(/^[\x21-\x7e]+$/, 'must be visible ASCII characters without a space')
      .optional(),
    basic: z.strictObject({ user: text(1024).regex(/^[^:]*$/, 'must have no colon'), password: text(1024) }).optional(),
    oauth2: z
      .strictObject({
        tokenUrl: z.string().min(1).max(2048),
        clientId: text(1024),
        clientSecret: text(4096),
        scope: text(1024).optional(),
      })
      .optional(),
    mtls: z
      .strictObject({
        cert: pem(/-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/, 'a certificate'),
        key: pem(/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+-----END [A-Z ]*PRIVATE KEY-----/, 'a private key'),
      })
      .optional(),
  })
  .refine((given) => Object.values(given).filter((value) => value !== undefined).length === 1, {
    error: 'must have exactly one of bearer, basic, oauth2 and mtls; in a patch, null removes the other',
  })

const headersForm = z.record(z.string(), z.string().max(8192)).superRefine((headers, context) => {
  for (const [name, value] of Object.entries(headers)) {
    if (value !== hidden) continue
    const message = 'is what is shown instead of the value: give the value, or leave the header out of the patch'
    context.addIssue({ code: 'custom', path: [name], message })
  }
})

const labelsForm = z.record(z.string(), z.string().max(256)).superRefine((labels, context) => {
  const names = Object.keys(labels)
  if (names.length > 32) context.addIssue({ code: 'custom', message: 'must be at most 32 labels' })
  for (const name of names) {
    if (/^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/.test(name)) continue
    const message = 'must be named by letters, digits, dots, hyphens, underscores and slashes, at most 63 characters'
    context.addIssue({ code: 'custom', path: [name], message })
  }
})

export const subscriptionForm = z.strictObject({
  topic: z.string().refine(isTopicName, `${nameForm} 128 characters`),
  url: z.string().min(1, 'must not be empty').max(2048),
  name: z
    .string()
    .refine((name) => name.length <= 64 && isTopicName(name), `${nameForm} 64 characters`)
    .optional(),
  filters: filtersForm.default([]),
  mode: z.enum(['structured', 'binary', 'data']).default('structured'),
  headers: headersForm.default({}),
  auth: authForm.optional(),
  ordering: z.enum(['none', 'key']).default('none'),
  start: z.string().default('latest'),
  policy: policyForm.prefault({}),
  secret: z.string().optional(),
  labels: labelsForm.default({}),
})

export type SubscriptionForm = z.output<typeof subscriptionForm>

/** What a caller decides of a subscription, but for its secret. */
export type Definition = Pick<
  Subscription,
  'topic' | 'url' | 'name' | 'filters' | 'mode' | 'headers' | 'auth' | 'ordering' | 'start' | 'policy' | 'labels'
>

/** `start` is the form's own where it is not given: a cursor of the broker instead of one of ours. */
export function definitionOf(form: SubscriptionForm, start: string): Definition {
  const { topic, url, name, filters, mode, headers, auth, ordering, policy, labels } = form
  return {
    topic,
    url,
    ...(name !== undefined && { name }),
    filters,
    mode,
    headers,
    // One of its members is there, and the others are not.
    ...(auth !== undefined && { auth: auth as EndpointAuth }),
    ordering,
    start,
    policy: policyOf(policy),
    labels,
  }
}

function policyOf(form: SubscriptionForm['policy']): Policy {
  const { timeout, retry, breaker, quota, disableAfter, ...same } = form
  const { window, cooldown, ...rest } = breaker
  return {
    ...same,
    timeoutMs: timeout,
    retryMs: retry.schedule,
    breaker: { ...rest, windowMs: window, cooldownMs: cooldown },
    quota,
    disableAfterMs: disableAfter,
  }
}

/** A policy as it is written. */
export function policyText(policy: Policy) {
  const { timeoutMs, retryMs, breaker, quota, noRetry, disableAfterMs, ...same } = policy
  const { windowMs, cooldownMs, ...rest } = breaker
  return {
    timeout: formatDuration(timeoutMs),
    retry: { schedule: retryMs.map(formatDuration) },
    ...same,
    breaker: { ...rest, window: formatDuration(windowMs), cooldown: formatDuration(cooldownMs) },
    quota: { events: quota.events, bytes: formatSize(quota.bytes) },
    noRetry: [...noRetry],
    disableAfter: formatDuration(disableAfterMs),
  } satisfies z.input<typeof policyForm>
}
