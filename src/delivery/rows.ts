import type { LogRecord } from '../core/broker.ts'
import type { Attempt, AttemptResult } from '../core/delivery.ts'
import { keyOf } from '../core/event.ts'
import { Parcel } from '../core/parcel.ts'
import type { Subscription } from '../core/subscription.ts'
import type { NewDelivery, StoredEvent } from '../store/deliveries.ts'
import type { DeliveryContext } from './context.ts'
import { eventRef } from './identity.ts'

/** How much longer than its attempt a claim lasts: whoever holds it has so long to write down what became of it. */
const graceMs = 5000

export function claimEnds(subscription: Subscription, now: number): number {
  return now + subscription.policy.timeoutMs + graceMs
}

export function attemptOf({ retryAfterMs: _, ...attempt }: AttemptResult, number: number): Attempt {
  return { ...attempt, number }
}

/** An event as rows of a topic keep it. */
export function storedEvent(
  digest: (text: string) => string,
  topic: string,
  parcel: Parcel,
  position: string | undefined,
): StoredEvent {
  const { id, source, type } = parcel.event.attributes
  return {
    ref: eventRef(digest, topic, parcel.event),
    id,
    source,
    type,
    bytes: parcel.bytes,
    ...(position !== undefined && { position }),
  }
}

/** A row of an event that comes out of the log, due now. */
export function logRow(
  { digest, clock }: DeliveryContext,
  { id: subscription, topic, ordering }: Subscription,
  { event, position }: LogRecord,
  id: string,
): NewDelivery {
  const key = ordering === 'key' ? keyOf(event) : undefined
  const now = clock.now()
  return {
    id,
    subscription,
    topic,
    event: storedEvent(digest, topic, Parcel.ofEvent(event), position),
    ...(key !== undefined && { key }),
    status: 'parked',
    at: now,
    reason: 'It came out of the log, and waits for its turn.',
    attempts: [],
    now,
  }
}

/** A row of what is not kept: it counts, and has no payload. */
export function withoutPayload(event: StoredEvent): StoredEvent {
  return { ...event, ref: `-${event.ref}`, bytes: new Uint8Array(0) }
}

export type Placed = Pick<NewDelivery, 'status' | 'at' | 'token' | 'reason'>
