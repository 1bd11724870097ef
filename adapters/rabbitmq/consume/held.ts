import type { ConsumeMessage } from 'amqplib'
import type { Event } from '../../../src/core/index.ts'

/** A message that is this consumer's until it is settled. */
export interface Held {
  readonly message: ConsumeMessage
  readonly tag: number
  readonly event: Event
  /** 1 for the first. */
  attempt: number
  /** When it came, in milliseconds since the epoch. */
  readonly at: number
  /** It is being settled: nobody else may. */
  isSettled: boolean
}

/**
 * Which delivery of the message it is, as far as the queue tells. Since 4.3 what was given back (`basic.nack`) is counted
 * as acquired, and no longer as delivered. A message that was never delivered has no count of this queue's: what looks
 * like one came with it, from the queue that it was moved from.
 */
export function attemptOf({ fields, properties }: ConsumeMessage): number {
  if (!fields.redelivered) return 1
  const count: unknown = properties.headers?.['x-acquired-count'] ?? properties.headers?.['x-delivery-count']
  return typeof count === 'number' ? count + 1 : 2
}
