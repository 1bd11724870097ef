import { z } from 'zod'
import type { GroupState, Outcome, Settlement } from '../../core/broker.ts'
import { requirePortableReceipt, requireSeek } from '../../core/capabilities.ts'
import { formatDuration } from '../../core/duration.ts'
import { invalid, toGatewayError } from '../../core/errors.ts'
import { isTime } from '../../core/event.ts'
import { leaseRange, pageMax } from '../../core/limits.ts'
import { structuredBytes } from '../../core/structured.ts'
import { checkGroupName } from '../../core/topic-name.ts'
import { readJson } from '../body.ts'
import { outward, startOf } from '../cursors.ts'
import { entityTag, requireMatch } from '../etag.ts'
import type { Gateway, OpenTopic } from '../gateway.ts'
import { type Call, json, param, type Route, refuseQuery, topicFor, topicOrNew } from '../route.ts'
import { cloudEvent, duration, itemError } from '../schemas.ts'

const path = '/v1/topics/:topic/groups/:group'
const decoder = new TextDecoder()

const groupSchema = z
  .strictObject({
    topic: z.string(),
    group: z.string(),
    start: z.string(),
    lease: z.string(),
    maxAttempts: z.int(),
    lag: z.strictObject({ events: z.int(), oldestSeconds: z.number() }).optional(),
    inFlight: z.int(),
  })
  .meta({ id: 'Group' })

const deliverySchema = z
  .strictObject({
    lease: z.string(),
    expiresAt: z.iso.datetime(),
    attempt: z.int(),
    event: cloudEvent,
    position: z.string().optional(),
  })
  .meta({ id: 'Delivery' })

const settleResult = z
  .strictObject({
    lease: z.string(),
    status: z.enum(['ok', 'failed']),
    error: itemError.optional(),
    renewed: z.string().optional(),
    expiresAt: z.iso.datetime().optional(),
  })
  .meta({ id: 'SettleResult' })

export function groupRoutes(gateway: Gateway): Route[] {
  const { limits } = gateway
  const putBody = z.strictObject({
    start: z.string().default('latest'),
    lease: duration(leaseRange.max, leaseRange.min).optional(),
    maxAttempts: z.int().min(1).max(1000).default(16),
  })
  const seekBody = z.strictObject({ to: z.string() })
  const pullBody = z.strictObject({
    max: z.int().min(1).max(pageMax).default(limits.pull),
    wait: duration(limits.wait).optional(),
  })
  const settleBody = z.strictObject({
    settlements: z
      .array(
        z.strictObject({
          lease: z.string().min(1).max(1024),
          outcome: z.enum(['ack', 'nack', 'reject', 'extend']),
          delay: duration(limits.delay).optional(),
          reason: z.string().max(1024).optional(),
        }),
      )
      .min(1)
      .max(limits.settle),
  })

  async function put(call: Call): Promise<Response> {
    const group = groupName(call)
    const topic = await topicOrNew(call, 'consume')
    requirePortableReceipt(topic.broker.capabilities)
    const body = await readJson(call, putBody)
    const start = startOf(topic, body.start, '/start')
    const options = { start, leaseMs: body.lease ?? limits.lease, maxAttempts: body.maxAttempts }
    if (call.request.headers.has('if-match')) requireMatch(call, await tagIfThere(topic, group))
    const created = await topic.broker.groups.create(topic.brokerTopic, group, options)
    const state = await topic.broker.groups.describe(topic.brokerTopic, group)
    return show(call, topic, group, state, created ? 201 : 200)
  }

  async function tagIfThere(topic: OpenTopic, group: string): Promise<string | undefined> {
    try {
      return tagOf(gateway, group, await topic.broker.groups.describe(topic.brokerTopic, group))
    } catch (error) {
      if (toGatewayError(error).code === 'not_found') return undefined
      throw error
    }
  }

  async function get(call: Call): Promise<Response> {
    const { topic, group } = pullable(call)
    refuseQuery(call)
    return show(call, topic, group, await topic.broker.groups.describe(topic.brokerTopic, group))
  }

  async function remove(call: Call): Promise<Response> {
    const { topic, group } = pullable(call)
    refuseQuery(call)
    const state = await topic.broker.groups.describe(topic.brokerTopic, group)
    requireMatch(call, tagOf(gateway, group, state))
    await topic.broker.groups.delete(topic.brokerTopic, group)
    topic.groups.forget(topic.brokerTopic, group)
    return new Response(null, { status: 204 })
  }

  async function seek(call: Call): Promise<Response> {
    const { topic, group } = pullable(call)
    const move = requireSeek(topic.broker)
    const { to } = await readJson(call, seekBody)
    const start = startOf(topic, to, '/to')
    const before = await topic.broker.groups.describe(topic.brokerTopic, group)
    requireMatch(call, tagOf(gateway, group, before))
    await move(topic.brokerTopic, group, start)
    return show(call, topic, group, await topic.broker.groups.describe(topic.brokerTopic, group))
  }

  async function pull(call: Call): Promise<Response> {
    const { topic, group } = pullable(call)
    const { max, wait } = await readJson(call, pullBody)
    const signal = AbortSignal.any([call.request.signal, gateway.stopping])
    const deliveries = await topic.groups.pull(topic.brokerTopic, group, max, wait ?? 0, signal)
    if (deliveries.length > 0) gateway.metrics.pulled(topic.name, group, deliveries.length)
    const items = deliveries.map((delivery) => {
      const { receipt, expiresAt, attempt, position, event } = delivery
      const head = {
        lease: receipt,
        expiresAt: new Date(expiresAt).toISOString(),
        attempt,
        ...(position && { position }),
      }
      return `${JSON.stringify(head).slice(0, -1)},"event":${decoder.decode(structuredBytes(event))}}`
    })
    return new Response(`{"deliveries":[${items.join(',')}]}`, { headers: { 'content-type': 'application/json' } })
  }

  async function settle(call: Call): Promise<Response> {
    const { topic, group } = pullable(call)
    const { settlements } = await readJson(call, settleBody)
    const wanted = settlements.map((item, i): Settlement => ({ receipt: item.lease, outcome: outcomeOf(item, i) }))
    const results = await topic.groups.settle(topic.brokerTopic, group, wanted)
    for (const [i, result] of results.entries()) {
      gateway.metrics.settled(topic.name, group, result.status === 'ok' ? wanted[i]!.outcome.kind : 'failed', 1)
    }
    const items = results.map((result, i) => {
      const lease = wanted[i]!.receipt
      if (result.status === 'failed') return { lease, status: 'failed', error: result.error }
      const { renewed, expiresAt } = result
      return {
        lease,
        status: 'ok',
        ...(renewed !== undefined && { renewed }),
        ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt).toISOString() }),
      }
    })
    return json({ results: items })
  }

  const group200 = { 200: { 'application/json': groupSchema } }
  return [
    {
      method: 'PUT',
      path,
      access: 'key',
      handle: put,
      doc: {
        summary: 'Create a durable group; an existing one is left as it is',
        tag: 'Pull',
        body: { 'application/json': putBody },
        answers: { ...group200, 201: { 'application/json': groupSchema } },
      },
    },
    {
      method: 'GET',
      path,
      access: 'key',
      handle: get,
      doc: { summary: 'A group and its lag', tag: 'Pull', answers: group200 },
    },
    {
      method: 'DELETE',
      path,
      access: 'key',
      handle: remove,
      doc: { summary: 'Delete a group', tag: 'Pull', answers: { 204: null } },
    },
    {
      method: 'POST',
      path: `${path}/seek`,
      access: 'key',
      handle: seek,
      doc: { summary: 'Move a group', tag: 'Pull', body: { 'application/json': seekBody }, answers: group200 },
    },
    {
      method: 'POST',
      path: `${path}/pull`,
      access: 'key',
      handle: pull,
      doc: {
        summary: 'Take events under a lease; waits for the first',
        tag: 'Pull',
        body: { 'application/json': pullBody },
        answers: { 200: { 'application/json': z.strictObject({ deliveries: z.array(deliverySchema) }) } },
      },
    },
    {
      method: 'POST',
      path: `${path}/settle`,
      access: 'key',
      handle: settle,
      doc: {
        summary: 'Say what became of leased events',
        tag: 'Pull',
        body: { 'application/json': settleBody },
        answers: { 200: { 'application/json': z.strictObject({ results: z.array(settleResult) }) } },
      },
    },
  ]
}

/** The topic and group of the path, on a broker whose groups can be pulled over HTTP. */
export function pullable(call: Call): { topic: OpenTopic; group: string } {
  const group = groupName(call)
  const topic = topicFor(call, 'consume')
  requirePortableReceipt(topic.broker.capabilities)
  return { topic, group }
}

function groupName(call: Call): string {
  const group = param(call, 'group')
  checkGroupName(group)
  return group
}

function show(call: Call, topic: OpenTopic, group: string, state: GroupState, status = 200): Response {
  const { leaseMs, maxAttempts, lag, inFlight } = state
  const start =
    ['earliest', 'latest'].includes(state.start) || isTime(state.start) ? state.start : outward(topic, state.start)
  const body = {
    topic: topic.name,
    group,
    start,
    lease: formatDuration(leaseMs),
    maxAttempts,
    ...(lag !== undefined && { lag: { events: lag.events, oldestSeconds: lag.oldestMs / 1000 } }),
    inFlight,
  }
  return json(body, status, { etag: tagOf(call.gateway, group, state) })
}

/** Of what a group is, not of how far it is. */
function tagOf(gateway: Gateway, group: string, state: GroupState): string {
  return entityTag(gateway, [group, state.start, state.leaseMs, state.maxAttempts])
}

function outcomeOf(
  item: { outcome: 'ack' | 'nack' | 'reject' | 'extend'; delay?: number | undefined; reason?: string | undefined },
  index: number,
): Outcome {
  const { outcome, delay, reason } = item
  const at = `/settlements/${index}`
  if (reason !== undefined && outcome !== 'reject') throw invalid(`${at}/reason`, 'only a reject has a reason')
  if (delay !== undefined && outcome !== 'nack' && outcome !== 'extend') {
    throw invalid(`${at}/delay`, 'only a nack and an extend have a delay')
  }
  if (outcome === 'ack') return { kind: 'ack' }
  if (outcome === 'reject') return { kind: 'reject', reason: reason ?? 'rejected' }
  if (outcome === 'nack') return delay === undefined ? { kind: 'nack' } : { kind: 'nack', delayMs: delay }
  if (delay === undefined) return { kind: 'extend' }
  if (delay < leaseRange.min || delay > leaseRange.max) {
    throw invalid(
      `${at}/delay`,
      `a lease lasts from ${formatDuration(leaseRange.min)} to ${formatDuration(leaseRange.max)}`,
    )
  }
  return { kind: 'extend', durationMs: delay }
}
