import { maxEntries, type Outgoing } from './sender.ts'

/** A message and its place among the events of its publish. */
export interface Placed extends Outgoing {
  readonly place: number
}

/** Batches that a request each can carry, in the order of the messages. */
export function batchesOf(messages: readonly Placed[], maxBytes: number): Placed[][] {
  const batches: Placed[][] = []
  let batch: Placed[] = []
  let bytes = 0
  for (const one of messages) {
    const size = one.message.bytes
    if (batch.length === maxEntries || (batch.length > 0 && bytes + size > maxBytes)) {
      batches.push(batch)
      batch = []
      bytes = 0
    }
    batch.push(one)
    bytes += size
  }
  if (batch.length > 0) batches.push(batch)
  return batches
}

/**
 * Waves of which each has one message of a group at the most. An entry of a batch can fail alone, and what comes after it in
 * its group must not be stored then: so that one waits for the next wave.
 */
export function wavesOf(messages: readonly Placed[]): Placed[][] {
  const waves: Placed[][] = []
  const next = new Map<string, number>()
  for (const one of messages) {
    const group = one.fifo!.group
    const wave = next.get(group) ?? 0
    next.set(group, wave + 1)
    waves[wave] ??= []
    waves[wave].push(one)
  }
  return waves
}
