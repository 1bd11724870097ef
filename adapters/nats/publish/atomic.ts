import { nuid } from '@nats-io/transport-node'
import { GatewayError, type PublishResult } from '../../../src/core/index.ts'
import { numbers } from '../errors.ts'
import type { Topic } from '../streams.ts'
import type { Call } from './call.ts'
import { notStored, type Outgoing, stored } from './outgoing.ts'
import { type Parcel, type Sender, unknown } from './sender.ts'

/** What the server takes as one. */
export const atomicMax = 1000
const probes = 64
const noData = new Uint8Array(0)

/**
 * Publishes all or none. The server refuses a batch of which it has an event already; then it is asked which those are,
 * and gets the others.
 */
export async function publishBatch(
  sender: Sender,
  topic: Topic,
  all: readonly Outgoing[],
  call: Call,
  results: Map<Outgoing, PublishResult>,
): Promise<void> {
  let left = all
  let again = false
  while (left.length > 0) {
    const batch = left
    const verdict = await sender.publish(topic, () => parcelOf(batch), call, topic.deduplicates, [
      numbers.atomicDuplicate,
      numbers.atomicDisabled,
    ])
    if (verdict.status === 'stored') {
      const before = verdict.ack.seq - batch.length + 1
      for (const [i, one] of batch.entries()) results.set(one, stored(one, before + i, false))
      return
    }
    if (verdict.status !== 'refused') {
      for (const one of batch) results.set(one, notStored(one, verdict.status, verdict.error))
      return
    }
    const known =
      verdict.number === numbers.atomicDuplicate ? await whichAreKnown(sender, topic, batch, call) : undefined
    if (known === undefined || (again && known.size === 0)) {
      const error = new GatewayError('unavailable', `The stream ${topic.stream} did not take the events as one.`)
      // It is refused for what is stored, or is about to be: it may be all of it, by an attempt that was not answered.
      const isUnknown = verdict.again || verdict.number === numbers.atomicDuplicate
      for (const one of batch)
        results.set(one, isUnknown ? notStored(one, 'unknown', unknown(error)) : notStored(one, 'failed', error))
      return
    }
    for (const [one, seq] of known) results.set(one, stored(one, seq, !verdict.again))
    left = batch.filter((one) => !known.has(one))
    again = true
  }
}

function parcelOf(batch: readonly Outgoing[]): Parcel {
  const id = nuid.next()
  const messages = batch.map(({ subject, headers, data }, i) => {
    const place = { 'Nats-Batch-Id': [id], 'Nats-Batch-Sequence': [String(i + 1)] }
    return { subject, data, headers: { ...headers, ...place } }
  })
  const last = messages.pop()!
  return { ...last, before: messages, headers: { ...last.headers, 'Nats-Batch-Commit': ['1'] } }
}

/**
 * Which events the server has already, and where. It is asked by publishing each under a condition that never holds: what
 * is known is answered before the condition is looked at. Undefined where it cannot be told in time.
 */
async function whichAreKnown(
  sender: Sender,
  topic: Topic,
  batch: readonly Outgoing[],
  call: Call,
): Promise<Map<Outgoing, number> | undefined> {
  const known = new Map<Outgoing, number>()
  for (let at = 0; at < batch.length; at += probes) {
    const part = batch.slice(at, at + probes)
    const verdicts = await Promise.all(
      part.map((one) => sender.publish(topic, () => probeOf(one), call, true, [wrongLastId])),
    )
    for (const [i, verdict] of verdicts.entries()) {
      if (verdict.status === 'stored') known.set(part[i]!, verdict.ack.seq)
      else if (verdict.status !== 'refused') return undefined
    }
  }
  return known
}

const wrongLastId = 10070

function probeOf({ subject, messageId }: Outgoing): Parcel {
  const headers = { 'Nats-Msg-Id': [messageId!], 'Nats-Expected-Last-Msg-Id': ['none: this asks'] }
  return { before: [], subject, headers, data: noData }
}
