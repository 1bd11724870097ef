import type { Msg } from '@nats-io/transport-node'
import type { StoredMessage } from './event.ts'

/** What the server says of a delivery, in the subject that acknowledges it. */
export interface Ticket {
  /** How often it was delivered, this time included. */
  readonly attempt: number
  readonly seq: number
  /** Grows with every delivery of the consumer. */
  readonly delivery: number
  readonly storedAt: number
  /** How many more there are for the consumer. */
  readonly pending: number
}

/** `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<attempt>.<seq>.<delivery>.<time>.<pending>[.<token>]`. */
export function readTicket(subject: string): Ticket | undefined {
  if (!subject.startsWith('$JS.ACK.')) return undefined
  const tokens = subject.split('.')
  // With a domain there are two more in front, and one at the end.
  const at = tokens.length >= 11 ? 6 : 4
  const [attempt, seq, delivery, time = '', pending] = tokens.slice(at)
  return {
    attempt: Number(attempt),
    seq: Number(seq),
    delivery: Number(delivery),
    storedAt: Number(time.slice(0, -6)),
    pending: Number(pending),
  }
}

/** A message that a consumer delivered. */
export function storedMessage({ subject, headers, data }: Msg, { seq, storedAt }: Ticket): StoredMessage {
  return { subject, headers, data, seq, storedAt }
}
