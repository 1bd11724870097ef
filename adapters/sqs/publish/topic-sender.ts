import { PublishBatchCommand } from '@aws-sdk/client-sns'
import { GatewayError } from '../../../src/core/index.ts'
import type { Aws } from '../client.ts'
import { type Outgoing, outcomesOf, type Sender } from './sender.ts'

const action = 'sns:Publish'

/** Publishes to one topic of SNS. */
export function topicSender(aws: Aws, arn: string, gone: () => void): Sender {
  return {
    async send(batch, _, signal) {
      const input = { TopicArn: arn, PublishBatchRequestEntries: batch.map(entryOf) }
      try {
        const answer = await aws.call(
          action,
          (options) => aws.sns!.send(new PublishBatchCommand(input), options),
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

function entryOf({ message, fifo }: Outgoing, place: number) {
  return {
    Id: String(place),
    Message: message.body,
    MessageAttributes: message.attributes,
    ...(fifo !== undefined && { MessageGroupId: fifo.group, MessageDeduplicationId: fifo.dedup }),
  }
}
