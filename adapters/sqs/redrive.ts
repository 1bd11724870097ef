import type { Names } from './names.ts'
import type { Queues } from './queues.ts'

/** What SQS can count to by itself, and how long it keeps a message. */
const mostReceives = 1000
const longestSeconds = String(14 * 86_400)

/**
 * The queue of dead letters of a queue, and the policy by which SQS itself moves there what comes back too often. The
 * gateway moves it one delivery earlier, with the reason; the policy is for what nobody lives to move.
 */
export async function withDeadLetters(queues: Queues, names: Names, name: string, url: string, maxAttempts: number) {
  const dead = await queues.create(names.dead(name), { MessageRetentionPeriod: longestSeconds })
  const maxReceiveCount = maxAttempts + 1
  if (maxReceiveCount > mostReceives) return
  const { QueueArn } = await queues.attributes(dead, 'QueueArn')
  await queues.set(url, { RedrivePolicy: JSON.stringify({ deadLetterTargetArn: QueueArn, maxReceiveCount }) })
}
