import { ListTopicsCommand, PublishBatchCommand, PublishCommand, SNSClient } from '@aws-sdk/client-sns'
import {
  DeleteMessageBatchCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { type Client, serveClient } from '../client.ts'
import { clientOptions, queueOf, type SqsEntry } from './entry.ts'

/** What a request may have, and requests at a time. */
const batches = { size: 10, parallel: 8 }

serveClient(async (entry: SqsEntry) => {
  const sqs = new SQSClient(clientOptions(entry))
  const urlOf = once(async (queue) => (await sqs.send(new GetQueueUrlCommand({ QueueName: queue }))).QueueUrl!)
  return {
    batches,
    send: entry.sns ? viaTopic(new SNSClient(clientOptions(entry))) : viaQueue(sqs, urlOf),
    consume: async (topic, events, group) => consume(sqs, await urlOf(queueOf(entry, topic, group!)), events),
  }
})

/** Looks a name up when it is first used. */
function once(look: (name: string) => Promise<string>): (name: string) => Promise<string> {
  const known = new Map<string, Promise<string>>()
  return (name) => {
    const found = known.get(name) ?? look(name)
    known.set(name, found)
    return found
  }
}

function viaQueue(sqs: SQSClient, urlOf: (queue: string) => Promise<string>): Client['send'] {
  return async (topic, value, count) => {
    const QueueUrl = await urlOf(topic)
    const MessageBody = value.toString()
    if (count === 1) {
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }))
      return
    }
    const Entries = Array.from({ length: count }, (_, i) => ({ Id: String(i), MessageBody }))
    checkAll(await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries })))
  }
}

function viaTopic(sns: SNSClient): Client['send'] {
  const arnOf = once(async (topic) => {
    const { Topics = [] } = await sns.send(new ListTopicsCommand())
    return Topics.find(({ TopicArn }) => TopicArn!.endsWith(`:${topic}`))!.TopicArn!
  })
  return async (topic, value, count) => {
    const TopicArn = await arnOf(topic)
    const Message = value.toString()
    if (count === 1) {
      await sns.send(new PublishCommand({ TopicArn, Message }))
      return
    }
    const PublishBatchRequestEntries = Array.from({ length: count }, (_, i) => ({ Id: String(i), Message }))
    checkAll(await sns.send(new PublishBatchCommand({ TopicArn, PublishBatchRequestEntries })))
  }
}

/** A request that succeeded may hold messages that did not. */
function checkAll({ Failed = [] }: { readonly Failed?: readonly object[] | undefined }): void {
  if (Failed.length > 0) throw new Error(JSON.stringify(Failed[0]))
}

async function consume(sqs: SQSClient, QueueUrl: string, events: number): Promise<number> {
  const began = performance.now()
  let left = events
  const lane = async (): Promise<void> => {
    while (left > 0) {
      const MaxNumberOfMessages = Math.min(batches.size, left)
      // Nobody else is to ask for these; what does not come is asked for again.
      left -= MaxNumberOfMessages
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages }))
      left += MaxNumberOfMessages - Messages.length
      if (Messages.length === 0) continue
      const Entries = Messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }))
      checkAll(await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries })))
    }
  }
  await Promise.all(Array.from({ length: batches.parallel }, lane))
  return performance.now() - began
}
