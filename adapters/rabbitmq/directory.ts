import type { Channel, Message } from 'amqplib'
import type { Config } from './config.ts'
import { isMissing } from './errors.ts'
import type { Link } from './link.ts'
import { directoryOf } from './names.ts'
import { queueArguments } from './queues.ts'

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
  readonly #config: Config
  readonly #publishing: Link
  /** In this process one at a time: each would only wait for the other. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(link: Link, publishing: Link, config: Config) {
    this.#link = link
    this.#publishing = publishing
    this.#config = config
  }

  read(topic: string): Promise<Entries> {
    return this.#alone(async () => {
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
    return this.#alone(async () => {
      const queue = directoryOf(topic)
      const isNew = await this.#declare(queue)
      await this.#link.with(async (channel) => {
        const taken = isNew ? [] : await take(channel, queue)
        const { [group]: _, ...others } = merged(taken)
        const entries = entry === undefined ? others : { ...others, [group]: entry }
        await this.#add(queue, entries)
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
    const options = { durable: true, arguments: queueArguments(this.#config, this.#link.version) }
    await this.#link.with((channel) => channel.assertQueue(queue, options))
    return true
  }

  async #add(queue: string, entries: Entries): Promise<void> {
    const channel = await this.#publishing.confirmChannel(1)
    try {
      const content = Buffer.from(JSON.stringify(entries))
      channel.sendToQueue(queue, content, { persistent: true, contentType: 'application/json' })
      await channel.waitForConfirms()
    } finally {
      await channel.close().catch(() => undefined)
    }
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work, work)
    this.#last = next.catch(() => undefined)
    return next
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
