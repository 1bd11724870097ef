import type { Message } from '@aws-sdk/client-sqs'
import { second } from '../capabilities.ts'
import { maxEntries } from '../publish/sender.ts'
import type { Queue } from './queue.ts'

/**
 * How long one request waits. What is asked for can only be waited for and not be taken back, so this is what a close may
 * take; with less SQS would look at some of its servers only.
 */
const waitSeconds = 1
/** Requests at once, once something is known to be there. */
const lanes = 8
/** How long more is asked for, while what has come waits. */
const gatherMs = 300
const mostSeconds = 12 * 3600

/** A message, when it was asked for and until when it is hidden for sure. */
export interface Received {
  readonly message: Message
  readonly receivedAt: number
  readonly until: number
}

/** Takes messages of a queue for one consumer. */
export class Receiver {
  readonly #queue: Queue
  readonly #leaseMs: number
  /** How many messages one request may bring. */
  #each = maxEntries

  constructor(queue: Queue, leaseMs: number) {
    this.#queue = queue
    this.#leaseMs = leaseMs
  }

  /** From now on one request brings one message: of several it would bring some of one group. */
  oneByOne(): void {
    this.#each = 1
  }

  /** Waits about a second for the first. */
  first(count: number): Promise<Received[]> {
    return this.#ask(Math.min(count, this.#each), waitSeconds)
  }

  /** What else is there, `count` at the most, without waiting; less where that is all, or it takes long to tell. */
  async more(count: number): Promise<Received[]> {
    const got: Received[] = []
    const end = Date.now() + gatherMs
    for (;;) {
      const each = this.#each
      const asked = Math.min(count - got.length, each * lanes)
      const requests = Array.from({ length: Math.ceil(asked / each) }, (_, i) =>
        this.#ask(Math.min(each, asked - i * each), 0),
      )
      // What one of them brought is not to be lost to the error of another.
      const answers = await Promise.allSettled(requests)
      const brought = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
      got.push(...brought)
      if (brought.length < asked || got.length >= count || Date.now() >= end) return got
    }
  }

  async #ask(count: number, wait: number): Promise<Received[]> {
    // Hidden from when it was found, which is before the answer came: the lease begins with that.
    const seconds = Math.min(Math.ceil(this.#leaseMs / second) + waitSeconds, mostSeconds)
    const receivedAt = Date.now()
    const messages = await this.#queue.receive(count, wait, seconds)
    const until = Math.min(Date.now() + this.#leaseMs, receivedAt + seconds * second)
    return messages.map((message) => ({ message, receivedAt, until }))
  }
}
