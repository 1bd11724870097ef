import type { Channel, Message } from 'amqplib'
import type { Config } from './config.ts'
import { isMissing } from './errors.ts'
import type { Link } from './link.ts'
import { directoryOf } from './names.ts'
import { queueArguments } from './queues.ts'
import type { Sender } from './sender.ts'

/** What is kept of a group. AMQP tells neither the names of queues nor what they were made with. */
export interface Entry {
  readonly start: string
  readonly leaseMs: number
  readonly maxAttempts: number
  /** Its queue may lack its bindings: it is no group yet. */
  readonly isUnfinished?: true
  /** When it was written, in milliseconds since the epoch. */
  readonly at: number
}

export type Entries = Readonly<Record<string, Entry>>

/** Somebody else reads at the moment, for milliseconds. */
const heldMs = 1000
const againMs = 10

/**
 * The groups of each topic, as one message in a queue that is read by taking it and giving it back. Who changes it adds
 * the new one before the old one goes; so there may be two for a while, and together they are the truth: of a name that
 * is in both, the newer entry. A name whose queue is gone is no group, whatever is written here.
 */
export class Directory {
  readonly #link: Link
  readonly #sender: Sender
  readonly #config: Config
  /** In this process one at a time for each topic: each would only wait for the other. */
  readonly #last = new Map<string, Promise<unknown>>()

  constructor(link: Link, sender: Sender, config: Config) {
    this.#link = link
    this.#sender = sender
    this.#config = config
  }

  read(topic: string): Promise<Entries> {
    return this.#alone(topic, async () => {
      try {
        return await this.#link.with(async (channel) => merged(await take(channel, directoryOf(topic))))
      } catch (error) {
        if (isMissing(error)) return {}
        throw error
      }
    })
  }

  /** Adds, replaces, or removes where there is no entry. */
  write(topic: string, group: string, entry: Entry | undefined): Promise<void> {
    return this.#alone(topic, async () => {
      const queue = directoryOf(topic)
      const isNew = await this.#declare(queue)
      await this.#link.with(async (channel) => {
        const taken = isNew ? [] : await take(channel, queue)
        const { [group]: _, ...others } = merged(taken)
        const entries = entry === undefined ? others : { ...others, [group]: entry }
        const content = Buffer.from(JSON.stringify(entries))
        await this.#sender.send(queue, content, { contentType: 'application/json' })
        for (const message of taken) channel.ack(message)
      })
    })
  }

  /** Answers whether it was not there before. */
  async #declare(queue: string): Promise<boolean> {
    try {
      await this.#link.with((channel) => channel.checkQueue(queue))
      return false
    } catch (error) {
      if (!isMissing(error)) throw error
    }
    const options = { durable: true, arguments: queueArguments(this.#config) }
    await this.#link.with((channel) => channel.assertQueue(queue, options))
    return true
  }

  async #alone<T>(topic: string, work: () => Promise<T>): Promise<T> {
    const next = (this.#last.get(topic) ?? Promise.resolve()).then(work, work)
    this.#last.set(topic, next)
    try {
      return await next
    } finally {
      if (this.#last.get(topic) === next) this.#last.delete(topic)
    }
  }
}

/** Everything in the queue; it comes back when the channel ends, unless it is acknowledged. */
async function take(channel: Channel, queue: string): Promise<readonly Message[]> {
  const taken: Message[] = []
  const end = performance.now() + heldMs
  while (taken.length === 0 && performance.now() < end) {
    for (let got = await channel.get(queue); got !== false; got = await channel.get(queue)) taken.push(got)
    if (taken.length === 0) await new Promise((resolve) => setTimeout(resolve, againMs))
  }
  return taken
}

function merged(messages: readonly Message[]): Entries {
  const entries: Record<string, Entry> = {}
  for (const { content } of messages) {
    for (const [group, entry] of Object.entries(JSON.parse(content.toString('utf8')) as Entries)) {
      if ((entries[group]?.at ?? 0) <= entry.at) entries[group] = entry
    }
  }
  return entries
}
