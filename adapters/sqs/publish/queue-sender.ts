import { SendMessageBatchCommand } from '@aws-sdk/client-sqs'
import { GatewayError } from '../../../src/core/index.ts'
import type { Aws } from '../client.ts'
import { type Outgoing, outcomesOf, type Sender } from './sender.ts'

const action = 'sqs:SendMessage'

/** Sends to one queue. */
export function queueSender(aws: Aws, url: string, gone: () => void): Sender {
  return {
    async send(batch, delaySeconds, signal) {
      const input = { QueueUrl: url, Entries: batch.map((one, i) => entryOf(one, i, delaySeconds)) }
      try {
        const answer = await aws.call(
          action,
          (options) => aws.sqs.send(new SendMessageBatchCommand(input), options),
          signal,
        )
        return outcomesOf(answer, batch.length, action)
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'not_found') gone()
        throw error
      }
    },
  }
}

function entryOf({ message, fifo }: Outgoing, place: number, delaySeconds: number) {
  return {
    Id: String(place),
    MessageBody: message.body,
    MessageAttributes: message.attributes,
    ...(delaySeconds > 0 && { DelaySeconds: delaySeconds }),
    ...(fifo !== undefined && { MessageGroupId: fifo.group, MessageDeduplicationId: fifo.dedup }),
  }
}
