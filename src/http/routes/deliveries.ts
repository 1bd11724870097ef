import { z } from 'zod'
import { GatewayError } from '../../core/errors.ts'
import { pageMax } from '../../core/limits.ts'
import type { DeliveryDetail } from '../../store/deliveries.ts'
import type { StoredSubscription } from '../../store/subscriptions.ts'
import { requireScope } from '../access.ts'
import { refuseInput } from '../body.ts'
import { deliveryDetailSchema, deliverySchema, deliveryStatus, detailText, shownDelivery } from '../delivery-view.ts'
import { entityTag, requireMatch } from '../etag.ts'
import type { Gateway } from '../gateway.ts'
import { findSubscription, owned, refuseEnded } from '../owned.ts'
import { type Call, findTopic, json, param, parameters, query, type Route, refuseQuery } from '../route.ts'
import { count, ifMatch, time } from '../schemas.ts'

export const deliveriesPath = '/v1/deliveries'
const path = `${deliveriesPath}/:id`

const listQuery = z.strictObject({
  subscription: z.string().optional(),
  topic: z.string().optional(),
  event: z.string().optional(),
  status: deliveryStatus.optional(),
  since: time.optional(),
  limit: count(pageMax).optional(),
  cursor: z.string().min(1).max(256).optional(),
})

const coverage = z.enum(['problems', 'all']).meta({
  description: 'all: every delivery is recorded; problems: those that needed more than the first attempt',
})

const listSchema = z.strictObject({ items: z.array(deliverySchema), coverage, next: z.string().optional() })

export function deliveryRoutes(gateway: Gateway): Route[] {
  const { store, webhooks, clock } = gateway

  async function list(call: Call): Promise<Response> {
    requireScope(call.access, 'subscribe')
    const asked = parameters(call)
    if (asked.topic !== undefined) findTopic(call, 'subscribe', asked.topic)
    const one = asked.subscription === undefined ? undefined : await findSubscription(call, asked.subscription)
    const { limit = gateway.limits.list, cursor, since, subscription, topic, event, status } = query(call, listQuery)
    const known = one === undefined ? (await store.subscriptions.load()).subscriptions : [one]
    const concerned = known.filter((each) => topic === undefined || each.topic === topic)
    const topics = visible(call, concerned)
    const page = await store.deliveries.list(
      {
        ...(subscription !== undefined && { subscription }),
        ...(topic !== undefined && { topic }),
        ...(event !== undefined && { event }),
        ...(status !== undefined && { status }),
        ...(since !== undefined && { since: Date.parse(since) }),
        ...(topics !== undefined && { topics }),
      },
      { limit, ...(cursor !== undefined && { after: cursor }) },
    )
    const recorded = concerned.filter((each) => topics === undefined || topics.includes(each.topic))
    return json({
      items: page.items.map(shownDelivery),
      coverage: recorded.length > 0 && recorded.every(({ policy }) => policy.record === 'all') ? 'all' : 'problems',
      ...(page.next !== undefined && { next: page.next }),
    })
  }

  async function get(call: Call): Promise<Response> {
    const found = await find(call)
    refuseQuery(call)
    return show(found)
  }

  async function retry(call: Call): Promise<Response> {
    const found = await find(call)
    await refuseInput(call)
    requireMatch(call, tagOf(found))
    refuseEnded(await findSubscription(call, found.subscription))
    const outcome = await store.deliveries.retry(found.id, clock.now())
    if (outcome === 'succeeded') throw new GatewayError('conflict', 'It succeeded already; a replay sends it again.')
    if (outcome === 'in_flight') throw new GatewayError('conflict', 'It is being tried right now.')
    webhooks.changed()
    return show(await find(call), 202)
  }

  async function remove(call: Call): Promise<Response> {
    const found = await find(call)
    refuseQuery(call)
    requireMatch(call, tagOf(found))
    if (!(await store.deliveries.delete(found.id))) owned(call, 'delivery', undefined)
    return new Response(null, { status: 204 })
  }

  async function find(call: Call): Promise<DeliveryDetail> {
    return owned(call, 'delivery', await store.deliveries.get(param(call, 'id')))
  }

  function show(delivery: DeliveryDetail, status = 200): Response {
    const headers = { 'content-type': 'application/json', etag: tagOf(delivery) }
    return new Response(detailText(delivery), { status, headers })
  }

  function tagOf({ id, status, attempts, dueAt, updatedAt }: DeliveryDetail): string {
    return entityTag(gateway, [id, status, attempts, dueAt, updatedAt])
  }

  return [
    {
      method: 'GET',
      path: deliveriesPath,
      access: 'key',
      handle: list,
      doc: {
        summary: 'Deliveries, oldest first; coverage says whether those that succeeded at once are among them',
        tag: 'Deliveries',
        query: listQuery,
        answers: { 200: { 'application/json': listSchema } },
      },
    },
    {
      method: 'GET',
      path,
      access: 'key',
      handle: get,
      doc: {
        summary: 'A delivery with every attempt and the event',
        tag: 'Deliveries',
        answers: { 200: { 'application/json': deliveryDetailSchema } },
      },
    },
    {
      method: 'POST',
      path: `${path}/retry`,
      access: 'key',
      handle: retry,
      doc: {
        summary: 'Try a delivery again now',
        tag: 'Deliveries',
        headers: ifMatch,
        answers: { 202: { 'application/json': deliveryDetailSchema } },
      },
    },
    {
      method: 'DELETE',
      path,
      access: 'key',
      handle: remove,
      doc: {
        summary: 'Delete a delivery: it is not made any more',
        tag: 'Deliveries',
        headers: ifMatch,
        answers: { 204: null },
      },
    },
  ]
}

/** The topics whose deliveries the caller may see; undefined for all. */
function visible({ access }: Call, subscriptions: readonly StoredSubscription[]): readonly string[] | undefined {
  if (access.key === undefined || access.key.scopes.includes('subscribe')) return undefined
  return [...new Set(subscriptions.map(({ topic }) => topic))].filter((topic) => access.may('subscribe', topic))
}
