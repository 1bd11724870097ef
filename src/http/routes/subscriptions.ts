import { z } from 'zod'
import { requireExclusiveKeys } from '../../core/capabilities.ts'
import { Ids } from '../../core/clock.ts'
import { GatewayError, toGatewayError } from '../../core/errors.ts'
import { pageMax } from '../../core/limits.ts'
import type { StoredSubscription } from '../../store/subscriptions.ts'
import { createSecret, parseSecret } from '../../webhook/secret.ts'
import { requireScope } from '../access.ts'
import { readValue } from '../body.ts'
import { checkEndpoint } from '../endpoint.ts'
import { requireMatch } from '../etag.ts'
import type { Gateway } from '../gateway.ts'
import { isMembers } from '../merge-patch.ts'
import { findSubscription } from '../owned.ts'
import { type Call, findTopic, json, parameters, query, type Route, refuseQuery, validate } from '../route.ts'
import { count, ifMatch } from '../schemas.ts'
import { requireCapabilities, requireGroup, storedStart } from '../subscribing.ts'
import { definitionOf, subscriptionForm } from '../subscription-forms.ts'
import { patched, patchForm } from '../subscription-patch.ts'
import { show, shown, subscriptionSchema, subscriptionWithSecret, tagOf } from '../subscription-view.ts'
import { isOwnGroup } from './groups.ts'

export const subscriptionsPath = '/v1/subscriptions'
const path = `${subscriptionsPath}/:id`

const listQuery = z.strictObject({
  topic: z.string().optional(),
  limit: count(pageMax).optional(),
  cursor: z.string().min(1).max(256).optional(),
})

const topicNamed = z.looseObject({ topic: z.string() })

/** How often a change is made anew where somebody else's came between. */
const patience = 5

export function subscriptionRoutes(gateway: Gateway): Route[] {
  const { store, webhooks } = gateway
  const ids = new Ids(gateway.clock)

  async function create(call: Call): Promise<Response> {
    const raw = await readValue(call)
    // Which topic it is decides who may know more.
    const { topic: name } = validate(topicNamed, raw)
    const known = findTopic(call, 'subscribe', name)
    if (known !== undefined) {
      requireCapabilities(known, raw as object)
      await requireGroup(known, isOwnGroup)
    }
    refuseQuery(call)
    const form = validate(subscriptionForm, raw)
    const secret = form.secret ?? createSecret(gateway.clock)
    parseSecret(secret, '/secret')
    const definition = definitionOf(form, form.start)
    await checkEndpoint(webhooks, definition)
    const topic = known ?? (await gateway.topics.create(form.topic))
    requireCapabilities(topic, form)
    const start = storedStart(topic, form.start, '/start')
    const feed = await webhooks.prepare(topic, start)
    const now = gateway.clock.now()
    const subscription = {
      ...definition,
      start,
      id: `sub_${ids.uuid()}`,
      secrets: [{ secret }],
      status: 'active',
      declared: false,
      createdAt: now,
      updatedAt: now,
    } as const
    const created = await store.subscriptions.create(subscription, feed)
    webhooks.changed()
    return show(gateway, created, 201, secret, { location: `${subscriptionsPath}/${created.id}` })
  }

  async function list(call: Call): Promise<Response> {
    const wanted = parameters(call).topic
    if (wanted === undefined) requireScope(call.access, 'subscribe')
    else findTopic(call, 'subscribe', wanted)
    const { limit = gateway.limits.list, cursor, topic } = query(call, listQuery)
    const found: StoredSubscription[] = []
    let after = cursor
    for (;;) {
      const page = await store.subscriptions.list({
        limit: limit + 1,
        ...(topic !== undefined && { topic }),
        ...(after !== undefined && { after }),
      })
      found.push(...page.filter((one) => call.access.may('subscribe', one.topic)))
      if (page.length <= limit || found.length > limit) break
      after = page.at(-1)!.id
    }
    const taken = found.slice(0, limit)
    const pending = new Map((await store.deliveries.pending()).map((one) => [one.subscription, one]))
    const items = taken.map((one) => shown(gateway, one, pending.get(one.id)))
    return json({ items, ...(found.length > limit && { next: taken.at(-1)!.id }) })
  }

  async function get(call: Call): Promise<Response> {
    const found = await findSubscription(call)
    refuseQuery(call)
    return show(gateway, found)
  }

  async function patch(call: Call): Promise<Response> {
    let current = await findSubscription(call)
    refuseDeclared(current)
    const changes = await readValue(call, ['application/merge-patch+json', 'application/json'])
    const topic = gateway.topics.resolve(current.topic)
    if (topic !== undefined && isMembers(changes) && changes.ordering === 'key') {
      requireExclusiveKeys(topic.broker.capabilities)
    }
    refuseQuery(call)
    for (let turn = 1; ; turn++) {
      requireMatch(call, tagOf(gateway, current))
      const form = validate(subscriptionForm, patched(current, topic, changes))
      const definition = definitionOf(form, current.start)
      await checkEndpoint(webhooks, definition, current)
      // What a definition may lack, the patch may have removed.
      const { name, auth, revision, ...rest } = current
      const next = { ...rest, ...definition, updatedAt: gateway.clock.now() }
      try {
        const updated = await store.subscriptions.update(next, revision)
        webhooks.changed()
        return await show(gateway, updated)
      } catch (error) {
        current = await findSubscription(call)
        if (toGatewayError(error).code !== 'conflict' || current.revision === revision || turn === patience) throw error
      }
    }
  }

  async function remove(call: Call): Promise<Response> {
    const found = await findSubscription(call)
    refuseDeclared(found)
    refuseQuery(call)
    requireMatch(call, tagOf(gateway, found))
    await store.subscriptions.delete(found.id)
    webhooks.changed()
    return new Response(null, { status: 204 })
  }

  const answer = { 'application/json': subscriptionSchema }
  return [
    {
      method: 'POST',
      path: subscriptionsPath,
      access: 'key',
      handle: create,
      doc: {
        summary: 'Subscribe an endpoint to a topic; every event acknowledged after the answer reaches it',
        tag: 'Subscriptions',
        body: { 'application/json': subscriptionForm },
        answers: { 201: { 'application/json': subscriptionWithSecret } },
      },
    },
    {
      method: 'GET',
      path: subscriptionsPath,
      access: 'key',
      handle: list,
      doc: {
        summary: 'The subscriptions of the topics that the key may subscribe to',
        tag: 'Subscriptions',
        query: listQuery,
        answers: {
          200: {
            'application/json': z.strictObject({ items: z.array(subscriptionSchema), next: z.string().optional() }),
          },
        },
      },
    },
    {
      method: 'GET',
      path,
      access: 'key',
      handle: get,
      doc: { summary: 'A subscription and how it fares', tag: 'Subscriptions', answers: { 200: answer } },
    },
    {
      method: 'PATCH',
      path,
      access: 'key',
      handle: patch,
      doc: {
        summary: 'Change a subscription by a JSON merge patch (RFC 7396); null resets to the default',
        tag: 'Subscriptions',
        headers: ifMatch,
        body: { 'application/merge-patch+json': patchForm, 'application/json': patchForm },
        answers: { 200: answer },
      },
    },
    {
      method: 'DELETE',
      path,
      access: 'key',
      handle: remove,
      doc: {
        summary: 'Delete a subscription with everything that it owns',
        tag: 'Subscriptions',
        headers: ifMatch,
        answers: { 204: null },
      },
    },
  ]
}

function refuseDeclared({ declared, name }: StoredSubscription): void {
  if (!declared) return
  const detail = `The configuration declares it: change it under subscriptions, name: ${name}. It can be paused and resumed here.`
  throw new GatewayError('conflict', detail)
}
