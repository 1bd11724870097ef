import { second } from './capabilities.ts'
import type { TopicFacts } from './layout.ts'
import type { QueueAttributes, Queues } from './queues.ts'

/** What a queue says of itself. An emulator may leave it out. */
export async function factsOf(queues: Queues, url: string): Promise<TopicFacts> {
  const found = await queues.attributes(url, 'MessageRetentionPeriod', 'MaximumMessageSize')
  const { MessageRetentionPeriod, MaximumMessageSize } = found
  return {
    ...(MessageRetentionPeriod !== undefined && { retentionMs: Number(MessageRetentionPeriod) * second }),
    ...(MaximumMessageSize !== undefined && { maxMessageSize: Number(MaximumMessageSize) }),
  }
}

export function queueAttributesOf({ retentionMs, maxMessageSize }: TopicFacts, leastSize?: number): QueueAttributes {
  const size = maxMessageSize ?? leastSize
  return {
    ...(retentionMs !== undefined && { MessageRetentionPeriod: String(Math.ceil(retentionMs / second)) }),
    ...(size !== undefined && { MaximumMessageSize: String(size) }),
  }
}
