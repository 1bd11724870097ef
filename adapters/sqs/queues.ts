import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  type QueueAttributeName,
  SetQueueAttributesCommand,
  TagQueueCommand,
  UntagQueueCommand,
} from '@aws-sdk/client-sqs'
import { GatewayError } from '../../src/core/index.ts'
import type { Aws } from './client.ts'
import { lastName } from './names.ts'

export type QueueAttributes = Partial<Record<QueueAttributeName, string>>

type Request<T> = (options: { readonly abortSignal: AbortSignal }) => Promise<T>

const pageSize = 1000

/** The queues of the account, by name. */
export class Queues {
  readonly #aws: Aws
  readonly #fifo: boolean
  readonly #urls = new Map<string, string>()

  constructor(aws: Aws, fifo: boolean) {
    this.#aws = aws
    this.#fifo = fifo
  }

  /** Undefined where there is no such queue. */
  async find(name: string): Promise<string | undefined> {
    const known = this.#urls.get(name)
    if (known !== undefined) return known
    try {
      const { QueueUrl } = await this.#aws.retry('sqs:GetQueueUrl', (options) =>
        this.#aws.sqs.send(new GetQueueUrlCommand({ QueueName: name }), options),
      )
      this.#urls.set(name, QueueUrl!)
      return QueueUrl
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'not_found') return undefined
      throw error
    }
  }

  /** The next look asks AWS again: somebody deleted it. */
  forget(url: string): void {
    this.#urls.delete(lastName(url))
  }

  /** Makes it, or answers the one that is there; its attributes are then the caller's to compare. */
  async create(
    name: string,
    attributes: QueueAttributes,
    tags: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const complete = { ...attributes, ...(this.#fifo && { FifoQueue: 'true' }) }
    const { QueueUrl } = await this.#aws.retry('sqs:CreateQueue', (options) =>
      this.#aws.sqs.send(new CreateQueueCommand({ QueueName: name, Attributes: complete, tags }), options),
    )
    this.#urls.set(name, QueueUrl!)
    return QueueUrl!
  }

  async attributes(url: string, ...names: QueueAttributeName[]): Promise<QueueAttributes> {
    const { Attributes = {} } = await this.#tell(url, 'sqs:GetQueueAttributes', (options) =>
      this.#aws.sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: names }), options),
    )
    return Attributes
  }

  async set(url: string, attributes: QueueAttributes): Promise<void> {
    await this.#tell(url, 'sqs:SetQueueAttributes', (options) =>
      this.#aws.sqs.send(new SetQueueAttributesCommand({ QueueUrl: url, Attributes: attributes }), options),
    )
  }

  async tags(url: string): Promise<Readonly<Record<string, string>>> {
    const { Tags = {} } = await this.#tell(url, 'sqs:ListQueueTags', (options) =>
      this.#aws.sqs.send(new ListQueueTagsCommand({ QueueUrl: url }), options),
    )
    return Tags
  }

  async tag(url: string, tags: Record<string, string>): Promise<void> {
    await this.#tell(url, 'sqs:TagQueue', (options) =>
      this.#aws.sqs.send(new TagQueueCommand({ QueueUrl: url, Tags: tags }), options),
    )
  }

  async untag(url: string, key: string): Promise<void> {
    await this.#tell(url, 'sqs:UntagQueue', (options) =>
      this.#aws.sqs.send(new UntagQueueCommand({ QueueUrl: url, TagKeys: [key] }), options),
    )
  }

  /** The names of those that begin so. */
  async list(prefix: string): Promise<readonly string[]> {
    const names: string[] = []
    let NextToken: string | undefined
    do {
      const page = await this.#aws.retry('sqs:ListQueues', (options) => {
        const input = { MaxResults: pageSize, ...(prefix !== '' && { QueueNamePrefix: prefix }), NextToken }
        return this.#aws.sqs.send(new ListQueuesCommand(input), options)
      })
      names.push(...(page.QueueUrls ?? []).map(lastName))
      NextToken = page.NextToken
    } while (NextToken !== undefined)
    return names
  }

  /** Resolves also where there is no such queue. */
  async delete(name: string): Promise<void> {
    const url = await this.find(name)
    if (url === undefined) return
    try {
      await this.#tell(url, 'sqs:DeleteQueue', (options) =>
        this.#aws.sqs.send(new DeleteQueueCommand({ QueueUrl: url }), options),
      )
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'not_found')) throw error
    }
    this.forget(url)
  }

  async #tell<T>(url: string, action: string, request: Request<T>): Promise<T> {
    try {
      return await this.#aws.retry(action, request)
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'not_found') this.forget(url)
      throw error
    }
  }
}
