import { z } from 'zod'
import type { Attempt } from '../core/delivery.ts'
import type { DeliveryDetail, DeliverySummary } from '../store/deliveries.ts'

/** How a delivery that owns a row is shown. */

export const deliveryStatus = z.enum(['in_flight', 'parked', 'dead', 'succeeded', 'discarded', 'expired'])

const attemptSchema = z
  .strictObject({
    number: z.int(),
    at: z.iso.datetime(),
    durationMs: z.number(),
    status: z.int().optional(),
    body: z.string().optional(),
    error: z.string().optional(),
    stage: z.enum(['guard', 'dns', 'connect', 'tls', 'auth', 'timeout', 'response', 'gateway']).optional(),
  })
  .meta({ id: 'Attempt' })

export const deliverySchema = z
  .strictObject({
    id: z.string(),
    subscription: z.string(),
    topic: z.string(),
    event: z.strictObject({ id: z.string(), source: z.string(), type: z.string() }),
    position: z.string().optional(),
    status: deliveryStatus,
    reason: z.string().optional(),
    attempts: z.int(),
    dueAt: z.iso.datetime().optional(),
    operation: z.string().optional(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'WebhookDelivery' })

export const deliveryDetailSchema = deliverySchema
  .extend({
    event: z
      .looseObject({ id: z.string(), source: z.string(), type: z.string() })
      .meta({ description: 'The whole CloudEvent, as long as it is kept' }),
    history: z.array(attemptSchema),
  })
  .meta({ id: 'WebhookDeliveryDetail' })

export function shownDelivery(delivery: DeliverySummary): z.input<typeof deliverySchema> {
  const { id, subscription, topic, event, status, reason, attempts, dueAt, operation, createdAt, updatedAt } = delivery
  return {
    id,
    subscription,
    topic,
    event: { id: event.id, source: event.source, type: event.type },
    ...(event.position !== undefined && { position: event.position }),
    status,
    ...(reason !== undefined && { reason }),
    attempts,
    ...(dueAt !== undefined && { dueAt: iso(dueAt) }),
    ...(operation !== undefined && { operation }),
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
  }
}

const decoder = new TextDecoder()

/** With every attempt and the event, whose bytes are taken as they are. */
export function detailText(delivery: DeliveryDetail): string {
  const { event, ...rest } = shownDelivery(delivery)
  const text = JSON.stringify({ ...rest, history: delivery.history.map(shownAttempt) })
  const whole = delivery.bytes === undefined ? JSON.stringify(event) : decoder.decode(delivery.bytes)
  return `${text.slice(0, -1)},"event":${whole}}`
}

function shownAttempt({ number, at, durationMs, status, body, error, stage }: Attempt): z.input<typeof attemptSchema> {
  return {
    number,
    at: iso(at),
    durationMs,
    ...(status !== undefined && { status }),
    ...(body !== undefined && { body }),
    ...(error !== undefined && { error }),
    ...(stage !== undefined && { stage }),
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
