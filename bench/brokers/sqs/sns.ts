import { CreateTopicCommand, DeleteTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns'
import { GetQueueAttributesCommand, GetQueueUrlCommand } from '@aws-sdk/client-sqs'
import { startFauxqs } from '../../../test/brokers/services/fauxqs.ts'
import { benchGroup, type Start } from '../broker.ts'
import { type Service, SqsBroker } from './broker.ts'
import { clientOptions, queueOf } from './entry.ts'

export const start: Start = async () => new SnsBroker(await startFauxqs())

class SnsBroker extends SqsBroker {
  readonly #sns: SNSClient
  readonly #topics = new Map<string, string>()

  constructor(service: Service) {
    super(service, true)
    this.#sns = new SNSClient(clientOptions(this.entry))
  }

  override async create(topic: string): Promise<void> {
    await super.create(topic)
    const { TopicArn } = await this.#sns.send(new CreateTopicCommand({ Name: topic }))
    this.#topics.set(topic, TopicArn!)
    const { QueueUrl } = await this.sqs.send(
      new GetQueueUrlCommand({ QueueName: queueOf(this.entry, topic, benchGroup) }),
    )
    const { Attributes } = await this.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
    )
    const Endpoint = Attributes!.QueueArn
    const raw = { RawMessageDelivery: 'true' }
    await this.#sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint, Attributes: raw }))
  }

  override async remove(topic: string): Promise<void> {
    await super.remove(topic)
    const TopicArn = this.#topics.get(topic)
    if (TopicArn !== undefined) await this.#sns.send(new DeleteTopicCommand({ TopicArn }))
  }

  override async stop(): Promise<void> {
    this.#sns.destroy()
    await super.stop()
  }
}
