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
