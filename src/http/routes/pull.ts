import { z } from 'zod'
import type { Capabilities, Outcome, Settlement } from '../../core/broker.ts'
import { requireOutcome } from '../../core/capabilities.ts'
import { formatDuration, parseDuration } from '../../core/duration.ts'
import { invalid } from '../../core/errors.ts'
import { leaseRange, pageMax } from '../../core/limits.ts'
import { structuredBytes } from '../../core/structured.ts'
import { unauthenticated } from '../access.ts'
import { readJson, readValue } from '../body.ts'
import type { Gateway } from '../gateway.ts'
import { isMembers } from '../merge-patch.ts'
import { type Call, ending, json, type Route, refuseQuery, validate } from '../route.ts'
import { cloudEvent, duration, itemError } from '../schemas.ts'
import { asked, groupPath, pullable } from './groups.ts'

const decoder = new TextDecoder()

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

export function pullRoutes(gateway: Gateway): Route[] {
  const { limits } = gateway
  const pullBody = z.strictObject({
    max: z.int().min(1).max(pageMax).default(limits.pull),
    wait: duration(limits.wait).optional(),
  })
  const settleBody = z.strictObject({
    settlements: z
      .array(
        z.strictObject({
          lease: z.string().min(1).max(2048),
          outcome: z.enum(['ack', 'nack', 'reject', 'extend']),
          delay: duration(limits.delay).optional(),
          reason: z.string().max(1024).optional(),
        }),
      )
      .min(1)
      .max(limits.settle),
  })

  async function pull(call: Call): Promise<Response> {
    const { topic, group } = pullable(call)
    const { max, wait } = await asked(topic.brokerTopic, topic.pulls, group, () => readJson(call, pullBody))
    const deliveries = await topic.groups.pull(topic.brokerTopic, group, max, wait ?? 0, ending(call))
    if (deliveries.length === 0 && call.access.key?.revoked.aborted === true) throw unauthenticated()
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
    const wanted = await asked(topic.brokerTopic, topic.pulls, group, async () => {
      const raw = await readValue(call)
      requireOutcomes(topic.pulls.capabilities, raw, limits.delay)
      refuseQuery(call)
      const { settlements } = validate(settleBody, raw)
      return settlements.map((item, i): Settlement => ({ receipt: item.lease, outcome: outcomeOf(item, i) }))
    })
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

  return [
    {
      method: 'POST',
      path: `${groupPath}/pull`,
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
      path: `${groupPath}/settle`,
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

/** For a body that is not validated yet: 501 comes before 400. A delay over the gateway's own limit is refused as that. */
function requireOutcomes(capabilities: Capabilities, body: unknown, delayMost: number): void {
  const settlements: unknown = isMembers(body) ? body.settlements : undefined
  if (!Array.isArray(settlements)) return
  for (const item of settlements as unknown[]) {
    if (!isMembers(item)) continue
    const { outcome, delay } = item
    if (outcome === 'reject') requireOutcome(capabilities, { kind: outcome, reason: '' })
    else if (outcome === 'extend') requireOutcome(capabilities, { kind: outcome })
    else if (outcome === 'nack' && typeof delay === 'string') {
      requireOutcome(capabilities, { kind: outcome, delayMs: Math.min(parseDuration(delay) ?? 0, delayMost) })
    }
  }
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
