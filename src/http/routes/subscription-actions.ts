import { z } from 'zod'
import { formatDuration } from '../../core/duration.ts'
import { GatewayError, invalid, toGatewayError } from '../../core/errors.ts'
import type { SubscriptionStatus } from '../../core/subscription.ts'
import { createSecret, parseSecret } from '../../webhook/secret.ts'
import { readJson, refuseInput } from '../body.ts'
import { requireMatch } from '../etag.ts'
import type { Gateway } from '../gateway.ts'
import { findSubscription } from '../owned.ts'
import { type Call, json, type Route } from '../route.ts'
import { duration, ifMatch } from '../schemas.ts'
import { show, subscriptionSchema, subscriptionWithSecret, tagOf } from '../subscription-view.ts'
import { subscriptionsPath } from './subscriptions.ts'

const path = `${subscriptionsPath}/:id`
const day = 86_400_000

/** How many secrets may sign at once: each is a signature in a header of every request. */
const secretsMax = 5

const rotation = z.strictObject({
  grace: duration(30 * day).prefault(formatDuration(day)),
  secret: z.string().optional(),
})

const tested = z
  .strictObject({
    ok: z.boolean(),
    status: z.int().optional(),
    durationMs: z.number(),
    body: z.string().optional(),
    error: z.string().optional(),
    stage: z.enum(['guard', 'dns', 'connect', 'tls', 'auth', 'timeout', 'response', 'gateway']).optional(),
  })
  .meta({ id: 'TestResult' })

export function subscriptionActionRoutes(gateway: Gateway): Route[] {
  const { store, webhooks, clock } = gateway

  /** Being there already is as good as getting there. */
  async function move(call: Call, from: readonly SubscriptionStatus[], to: SubscriptionStatus): Promise<Response> {
    const found = await findSubscription(call)
    await refuseInput(call)
    requireMatch(call, tagOf(gateway, found))
    const moved = await store.subscriptions.transition(found.id, from, to, undefined, clock.now())
    if (moved) {
      // What it failed for before it was resumed does not count against it again.
      if (to === 'active') await store.subscriptions.failing(found.id, undefined)
      webhooks.changed()
    }
    const now = await findSubscription(call)
    if (!moved && now.status !== to) throw new GatewayError('conflict', `The subscription is ${now.status}.`)
    return show(gateway, now)
  }

  async function test(call: Call): Promise<Response> {
    const found = await findSubscription(call)
    await refuseInput(call)
    const { status, durationMs, body, error, stage } = await webhooks.ping(found)
    return json({
      ok: error === undefined,
      ...(status !== undefined && { status }),
      durationMs,
      ...(body !== undefined && { body }),
      ...(error !== undefined && { error }),
      ...(stage !== undefined && { stage }),
    })
  }

  async function rotate(call: Call): Promise<Response> {
    let current = await findSubscription(call)
    const { grace, secret = createSecret(clock) } = await readJson(call, rotation)
    parseSecret(secret, '/secret')
    for (;;) {
      requireMatch(call, tagOf(gateway, current))
      const now = clock.now()
      const old = current.secrets
        .map((one) => ({ ...one, until: Math.min(one.until ?? Number.POSITIVE_INFINITY, now + grace) }))
        .filter(({ until }) => until > now)
      if (current.secrets.some((one) => one.secret === secret)) throw invalid('/secret', 'It is in use already.')
      if (old.length >= secretsMax) {
        const detail = `${secretsMax} secrets sign at once at the most. Wait for the oldest to end, or give a shorter grace.`
        throw new GatewayError('conflict', detail)
      }
      const { revision, ...rest } = current
      try {
        const next = { ...rest, secrets: [{ secret }, ...old], updatedAt: now }
        const updated = await store.subscriptions.update(next, revision)
        webhooks.changed()
        return await show(gateway, updated, 200, secret)
      } catch (error) {
        current = await findSubscription(call)
        if (toGatewayError(error).code !== 'conflict' || current.revision === revision) throw error
      }
    }
  }

  const answer = { 200: { 'application/json': subscriptionSchema } }
  const action = (name: string, summary: string, handle: Route['handle']): Route => ({
    method: 'POST',
    path: `${path}/${name}`,
    access: 'key',
    handle,
    doc: { summary, tag: 'Subscriptions', headers: ifMatch, answers: answer },
  })
  return [
    action('pause', 'Pause a subscription: what is owed waits', (call) => move(call, ['active', 'disabled'], 'paused')),
    action('resume', 'Resume a subscription that is paused or disabled', (call) =>
      move(call, ['paused', 'disabled'], 'active'),
    ),
    {
      method: 'POST',
      path: `${path}/test`,
      access: 'key',
      handle: test,
      doc: {
        summary: 'Send a test event to the endpoint now, signed like the real thing',
        tag: 'Subscriptions',
        answers: { 200: { 'application/json': tested } },
      },
    },
    {
      method: 'POST',
      path: `${path}/rotate-secret`,
      access: 'key',
      handle: rotate,
      doc: {
        summary: 'Sign with a new secret; the old one signs too until the grace ends',
        tag: 'Subscriptions',
        headers: ifMatch,
        body: { 'application/json': rotation },
        answers: { 200: { 'application/json': subscriptionWithSecret } },
      },
    },
  ]
}
