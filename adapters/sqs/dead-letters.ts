import { setTimeout as sleep } from 'node:timers/promises'
import type { DeadLetter, Event } from '../../src/core/index.ts'
import type { Aws } from './client.ts'
import { type Death, decodeMessage, encodeEvent } from './codec.ts'
import { Queue } from './consume/queue.ts'
import type { Lease } from './consume/token.ts'
import { dedupIdOf, digest, messageGroupOf } from './fifo.ts'
import { queueSender } from './publish/queue-sender.ts'
import { maxEntries, type Sender } from './publish/sender.ts'

/** How long letters are hidden while they are looked through, and how long that may take. */
const lookSeconds = 30
const lookMs = 25_000
/** Letters in hand at once while a queue is looked through. */
const maxLetters = 10_000
/** How often a queue is asked for an event that was to come back at once. */
const glances = 5
const glanceMs = 50

interface Letter extends DeadLetter {
  readonly handle: string
}

/** What is done with a letter that was looked at. */
type Judgement = 'keep' | 'delete'

/** The queue of a group's dead letters. SQS can show what is in a queue only by receiving all of it. */
export class DeadLetterQueue {
  readonly #aws: Aws
  readonly #queue: Queue
  readonly #sender: Sender
  readonly #fifo: boolean
  readonly #topic: string
  readonly #maxAttempts: number
  /** One look at a time: two would hide letters from each other. */
  #looking: Promise<unknown> = Promise.resolve()

  constructor(aws: Aws, url: string, gone: () => void, { fifo, topic, maxAttempts }: Settings) {
    this.#aws = aws
    this.#queue = new Queue(aws, url, gone)
    this.#sender = queueSender(aws, url, gone)
    this.#fifo = fifo
    this.#topic = topic
    this.#maxAttempts = maxAttempts
  }

  /** Resolves when SQS has it. Done again for the same lease, it is there once on a FIFO queue. */
  async add(event: Event, death: Death, lease: Lease): Promise<void> {
    const group = digest(lease.messageId, lease.handle)
    await this.#send(this.#sender, encodeEvent(event, death), { group, dedup: group })
  }

  /** Oldest first. */
  async list(limit: number, after = ''): Promise<readonly DeadLetter[]> {
    let letters: DeadLetter[] = []
    const oldest = () => letters.sort((one, other) => (one.id < other.id ? -1 : 1)).slice(0, limit)
    await this.#look(async ({ handle: _, ...letter }) => {
      if (letter.id > after) letters.push(letter)
      // Only as much is kept in memory as is asked for.
      if (letters.length > 2 * limit) letters = oldest()
      return 'keep'
    })
    return oldest()
  }

  /** Sends them to the group's queue as new messages; answers how many. */
  async redrive(which: readonly string[] | 'all', to: Queue): Promise<number> {
    const ids = which === 'all' ? undefined : new Set(which)
    const sender = queueSender(this.#aws, to.url, () => {})
    const began = Date.now()
    let count = 0
    await this.#look(async (letter) => {
      // What dies again meanwhile is not driven round and round.
      if (ids === undefined ? letter.deadAt > began : !ids.has(letter.id)) return 'keep'
      const { event, id } = letter
      // Not what it was published with: within five minutes SQS would take it for that, and drop it.
      const fifo = { group: messageGroupOf(event), dedup: digest('redrive', id, dedupIdOf(event)) }
      await this.#send(sender, encodeEvent(event), fifo)
      count++
      return 'delete'
    })
    return count
  }

  /** Whether there was such a letter. */
  async delete(id: string): Promise<boolean> {
    let found = false
    await this.#look(async (letter) => {
      if (letter.id !== id) return 'keep'
      found = true
      return 'delete'
    })
    return found
  }

  /** Deletes all of them. */
  async empty(): Promise<void> {
    await this.#look(async () => 'delete')
  }

  /**
   * Makes an event that is held elsewhere visible, and receives it here. Undefined where somebody else was quicker; what
   * came instead goes back.
   */
  async take(queue: Queue, lease: Lease, topic: string): Promise<{ lease: Lease; event: Event } | undefined> {
    const [refused] = await queue.hide([{ handle: lease.handle, seconds: 0 }])
    if (refused !== undefined) return undefined
    for (let glance = 0; glance < glances; glance++) {
      const messages = await queue.receive(maxEntries, 0, lookSeconds)
      const mine = messages.find(({ MessageId }) => MessageId === lease.messageId)
      const others = messages.filter((message) => message !== mine)
      await queue.hide(others.map(({ ReceiptHandle }) => ({ handle: ReceiptHandle!, seconds: 0 })))
      if (mine !== undefined) {
        return { lease: { ...lease, handle: mine.ReceiptHandle! }, event: decodeMessage(mine, topic).event }
      }
      await sleep(glanceMs)
    }
    return undefined
  }

  /** Every letter once, until no more come; what is kept is visible again after. */
  #look(judge: (letter: Letter) => Promise<Judgement>): Promise<void> {
    const looking = this.#looking.then(() => this.#lookNow(judge))
    this.#looking = looking.catch(() => {})
    return looking
  }

  async #lookNow(judge: (letter: Letter) => Promise<Judgement>): Promise<void> {
    const kept = new Map<string, string>()
    const end = Date.now() + lookMs
    try {
      while (kept.size < maxLetters && Date.now() < end) {
        const messages = await this.#queue.receive(maxEntries, 1, lookSeconds)
        if (messages.length === 0) return
        const judged = await Promise.allSettled(
          messages.map(async (message) => {
            kept.set(message.MessageId!, message.ReceiptHandle!)
            const judgement = await judge(this.#letterOf(message))
            if (judgement === 'keep') return
            await this.#queue.delete([message.ReceiptHandle!])
            kept.delete(message.MessageId!)
          }),
        )
        for (const outcome of judged) if (outcome.status === 'rejected') throw outcome.reason
      }
    } finally {
      await this.#queue.hide([...kept.values()].map((handle) => ({ handle, seconds: 0 })))
    }
  }

  #letterOf(message: Awaited<ReturnType<Queue['receive']>>[number]): Letter {
    const { event, dead } = decodeMessage(message, this.#topic)
    // SQS itself moved it (redrive policy), and wrote nothing on it.
    const reason = `It was delivered ${this.#maxAttempts} times and not acknowledged.`
    const { at, ...rest } = dead ?? {
      reason,
      attempts: this.#maxAttempts,
      at: Number(message.Attributes?.SentTimestamp),
    }
    return { id: idOf(at, message.MessageId!), handle: message.ReceiptHandle!, event, ...rest, deadAt: at }
  }

  async #send(sender: Sender, message: ReturnType<typeof encodeEvent>, fifo: { group: string; dedup: string }) {
    const outgoing = this.#fifo ? { message, fifo } : { message }
    const [error] = await sender.send([outgoing], 0, this.#aws.closing)
    if (error !== undefined) throw error
  }
}

/** In the order of their deaths. */
function idOf(at: number, messageId: string): string {
  return `${at.toString(36).padStart(9, '0')}-${messageId}`
}

interface Settings {
  readonly fifo: boolean
  readonly topic: string
  readonly maxAttempts: number
}
