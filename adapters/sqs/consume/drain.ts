import type { Message } from '@aws-sdk/client-sqs'
import { GatewayError } from '../../../src/core/index.ts'
import { isOurs } from '../codec.ts'
import { maxEntries } from '../publish/sender.ts'
import type { Queue } from './queue.ts'

const hiddenSeconds = 30
const patienceMs = 20_000
/** Requests at once. */
const lanes = 8

/**
 * Deletes what gateways had put into a queue before its group was made, until a second passes in which nothing comes. What
 * others put there stays: it is not ours to delete. Ends where `isMade` says that another gateway was quicker: what was
 * received before it said no is from before the group, and what comes later is the group's.
 */
export async function drain(queue: Queue, isMade: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + patienceMs
  const kept = new Map<string, string>()
  const keep = (messages: readonly Message[]) => {
    for (const { MessageId, ReceiptHandle } of messages) kept.set(MessageId!, ReceiptHandle!)
  }
  try {
    for (let isMore = true; isMore; ) {
      if (Date.now() > end) throw tooMuch()
      const [first, ...others] = await Promise.all([
        queue.receive(maxEntries, 1, hiddenSeconds),
        ...Array.from({ length: lanes - 1 }, () => queue.receive(maxEntries, 0, hiddenSeconds)),
      ])
      const messages = [first!, ...others].flat()
      isMore = messages.length > 0
      keep(messages)
      if (await isMade()) return
      const ours = messages.filter(isOurs)
      await queue.delete(ours.map(({ ReceiptHandle }) => ReceiptHandle!))
      for (const { MessageId } of ours) kept.delete(MessageId!)
    }
  } finally {
    await queue.hide([...kept.values()].map((handle) => ({ handle, seconds: 0 })))
  }
}

function tooMuch(): GatewayError {
  const detail =
    'The queue holds more from before the group than can be deleted at once, and the group starts at the end. Create the group again, or empty the queue first (aws sqs purge-queue).'
  return new GatewayError('conflict', detail)
}
