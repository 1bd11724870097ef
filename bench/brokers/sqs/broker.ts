import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  PurgeQueueCommand,
  type QueueAttributeName,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { startElasticMq } from '../../../test/brokers/services/elasticmq.ts'
import { type Broker, benchGroup, cpuSecondsOf, type Start } from '../broker.ts'
import { clientOptions, entryOf, queueOf, type SqsEntry } from './entry.ts'

/** What stands for AWS here. */
export interface Service {
  readonly config: { readonly endpoint: string }
  readonly pid: number | undefined
  stop(): Promise<void>
}

export const start: Start = async (progress) => new SqsBroker(await startElasticMq(progress), false)

const counts: QueueAttributeName[] = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible']

/** A topic is a queue, or with SNS has one for each group. */
export class SqsBroker implements Broker {
  readonly type = 'sqs'
  readonly ensure = {}
  readonly isLog = false
  readonly groups: 'one' | 'many'
  readonly client = new URL('./client.ts', import.meta.url)
  readonly entry: SqsEntry
  readonly sqs: SQSClient
  readonly #service: Service

  constructor(service: Service, sns: boolean) {
    this.groups = sns ? 'many' : 'one'
    this.entry = entryOf(service.config.endpoint, sns)
    this.sqs = new SQSClient(clientOptions(this.entry))
    this.#service = service
  }

  async create(topic: string): Promise<void> {
    await this.sqs.send(new CreateQueueCommand({ QueueName: queueOf(this.entry, topic, benchGroup) }))
  }

  async remove(topic: string): Promise<void> {
    const QueueUrl = await this.#url(topic, benchGroup)
    if (QueueUrl !== undefined) await this.sqs.send(new DeleteQueueCommand({ QueueUrl }))
  }

  stored(topic: string): Promise<number> {
    return this.unsettled(topic, benchGroup)
  }

  async empty(topic: string): Promise<void> {
    await this.sqs.send(new PurgeQueueCommand({ QueueUrl: await this.#url(topic, benchGroup) }))
  }

  /** Both services count exactly. */
  async unsettled(topic: string, group: string): Promise<number> {
    const input = { QueueUrl: await this.#url(topic, group), AttributeNames: counts }
    const { Attributes = {} } = await this.sqs.send(new GetQueueAttributesCommand(input))
    return counts.reduce((sum, name) => sum + Number(Attributes[name]), 0)
  }

  async #url(topic: string, group: string): Promise<string | undefined> {
    const command = new GetQueueUrlCommand({ QueueName: queueOf(this.entry, topic, group) })
    const answer = await this.sqs.send(command).catch(() => undefined)
    return answer?.QueueUrl
  }

  cpuSeconds(): number | undefined {
    return cpuSecondsOf([this.#service.pid])
  }

  async stop(): Promise<void> {
    this.sqs.destroy()
    await this.#service.stop()
  }
}
