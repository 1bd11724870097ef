import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
} from '@aws-sdk/client-sqs'
import { GatewayError } from '../../../src/core/index.ts'
import type { Aws } from '../client.ts'
import { pause } from '../client.ts'
import { maxEntries, outcomesOf } from '../publish/sender.ts'

type Outcomes = readonly (GatewayError | undefined)[]

/** How often an entry is tried again that the service failed at: to delete and to hide may be done twice. */
const tries = 3
const pauseMs = 100
/** A receive that is given up may have hidden messages from everybody until their lease ends: that is put off. */
const receiveMs = 30_000
/** Requests at once for one call. */
const lanes = 8

/** Receiving from one queue, and what becomes of what was received. */
export class Queue {
  readonly url: string
  readonly #aws: Aws
  readonly #gone: () => void

  /** `gone` is told where the queue is not there any more. */
  constructor(aws: Aws, url: string, gone: () => void) {
    this.#aws = aws
    this.url = url
    this.#gone = gone
  }

  /** How long a request usually takes at the most. */
  get timeoutMs(): number {
    return this.#aws.timeoutMs
  }

  /** Waits in whole seconds, and is never aborted: what is on its way then would be hidden, and nobody would have it. */
  async receive(count: number, waitSeconds: number, visibilitySeconds: number): Promise<readonly Message[]> {
    const input = {
      QueueUrl: this.url,
      MaxNumberOfMessages: count,
      WaitTimeSeconds: waitSeconds,
      VisibilityTimeout: visibilitySeconds,
      MessageAttributeNames: ['All'],
      MessageSystemAttributeNames: systemAttributes,
    }
    const ask = (options: { readonly abortSignal: AbortSignal }) =>
      this.#aws.polls.send(new ReceiveMessageCommand(input), options)
    const { Messages = [] } = await this.#told(() => this.#aws.call('sqs:ReceiveMessage', ask, undefined, receiveMs))
    return Messages
  }

  /** One outcome per handle, in order: undefined is done. */
  delete(handles: readonly string[]): Promise<Outcomes> {
    return this.#inBatches(handles, async (batch) => {
      const Entries = batch.map((ReceiptHandle, i) => ({ Id: String(i), ReceiptHandle }))
      const answer = await this.#aws.call('sqs:DeleteMessage', (options) =>
        this.#aws.sqs.send(new DeleteMessageBatchCommand({ QueueUrl: this.url, Entries }), options),
      )
      return outcomesOf(answer, batch.length, 'sqs:DeleteMessage')
    })
  }

  /** Hides messages for so many seconds from now on; 0 gives them back. */
  hide(messages: readonly { readonly handle: string; readonly seconds: number }[]): Promise<Outcomes> {
    return this.#inBatches(messages, async (batch) => {
      const Entries = batch.map(({ handle, seconds }, i) => {
        return { Id: String(i), ReceiptHandle: handle, VisibilityTimeout: seconds }
      })
      const answer = await this.#aws.call('sqs:ChangeMessageVisibility', (options) =>
        this.#aws.sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: this.url, Entries }), options),
      )
      return outcomesOf(answer, batch.length, 'sqs:ChangeMessageVisibility')
    })
  }

  async #inBatches<T>(all: readonly T[], request: (batch: readonly T[]) => Promise<Outcomes>): Promise<Outcomes> {
    const outcomes = new Array<GatewayError | undefined>(all.length)
    let next = 0
    const lane = async () => {
      while (next < all.length) {
        const from = next
        next += maxEntries
        const batch = all.slice(from, from + maxEntries)
        const answered = await this.#tried(batch, request)
        for (const [i, outcome] of answered.entries()) outcomes[from + i] = outcome
      }
    }
    await Promise.all(Array.from({ length: Math.min(lanes, Math.ceil(all.length / maxEntries)) }, lane))
    return outcomes
  }

  async #tried<T>(batch: readonly T[], request: (batch: readonly T[]) => Promise<Outcomes>): Promise<Outcomes> {
    const outcomes = new Array<GatewayError | undefined>(batch.length)
    let left = batch.map((one, i) => ({ one, i }))
    for (let attempt = 1; ; attempt++) {
      const asked = left.map(({ one }) => one)
      const answered = await this.#told(() => request(asked)).catch((error: unknown) => {
        if (!(error instanceof GatewayError)) throw error
        return asked.map(() => error)
      })
      for (const [n, { i }] of left.entries()) outcomes[i] = answered[n]
      left = left.filter(({ i }) => outcomes[i]?.retryable === true)
      if (left.length === 0 || attempt === tries || this.#aws.closing.aborted) return outcomes
      await pause(pauseMs * 2 ** attempt, this.#aws.closing)
    }
  }

  async #told<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request()
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'not_found') this.#gone()
      throw error
    }
  }
}

const systemAttributes: ('ApproximateReceiveCount' | 'SentTimestamp' | 'MessageGroupId')[] = [
  'ApproximateReceiveCount',
  'SentTimestamp',
  'MessageGroupId',
]
