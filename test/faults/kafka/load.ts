import type { Broker, PublishResult } from '../../../src/core/broker.ts'
import { systemClock } from '../../../src/core/clock.ts'
import type { Event } from '../../../src/core/event.ts'
import { defaultLimits } from '../../../src/core/limits.ts'
import { Publisher } from '../../../src/core/topic.ts'
import { Random } from '../../conformance/random.ts'
import { pause, until } from '../../conformance/waiting.ts'
import type { Ledger } from '../ledger.ts'

export interface LoadOptions {
  readonly seed: number
  readonly publishers: number
  readonly deadlineMs: number
  /** Between two requests of a publisher. */
  readonly paceMs: number
  /** How many events a request has at the most. */
  readonly batch: number
  /** The keys of one publisher; no other uses them. */
  readonly keysOf?: (publisher: number) => readonly string[]
}

/** One request and what was answered. */
export interface Request {
  readonly began: number
  readonly ended: number
  readonly results: readonly PublishResult[]
}

interface Item {
  readonly token: string
  readonly key: string
}

/** What the core adds to a deadline: a last call gets a second, and an adapter has one more to give in. */
export const graceMs = 2000

const encoder = new TextEncoder()
const keys = 4

/**
 * Publishers that go through the core, each over keys of its own and one request after the other. What stays unknown is
 * sometimes published again as it was, and sometimes left: so both what a retry doubles and what comes late is seen.
 */
export class Load {
  readonly requests: Request[] = []
  /** What broke the port's word within a request. */
  readonly violations: string[] = []
  /** When something of a partition was last acknowledged that was sent after it was asked for. */
  readonly #latest = new Map<number, number>()
  readonly #publisher: Publisher
  readonly #ledger: Ledger
  readonly #options: LoadOptions
  readonly #stop = new AbortController()
  #running: Promise<unknown> = Promise.resolve()
  failed = 0

  constructor(broker: Broker, topic: string, ledger: Ledger, options: LoadOptions) {
    this.#publisher = new Publisher(
      broker,
      topic,
      { ...defaultLimits, publishDeadline: options.deadlineMs },
      systemClock,
    )
    this.#ledger = ledger
    this.#options = options
  }

  start(): void {
    const clients = Array.from({ length: this.#options.publishers }, (_, at) => this.#client(at))
    this.#running = Promise.all(clients)
    this.#running.catch(() => undefined)
  }

  /** Resolves when every request has its answer. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  get longestMs(): number {
    return this.requests.reduce((longest, { began, ended }) => Math.max(longest, ended - began), 0)
  }

  acknowledges(count: number): Promise<unknown> {
    const target = this.#ledger.acknowledged + count
    return until(60_000, `${count} more events are acknowledged`, async () => this.#ledger.acknowledged >= target)
  }

  /** Waits until every partition acknowledged something that was sent after `since`, and says how long that took. */
  async recovers(since: number, partitions: number, withinMs: number): Promise<number> {
    await until(withinMs, 'every partition acknowledges again', async () => {
      const recovered = [...this.#latest.values()].filter((began) => began >= since)
      return recovered.length === partitions
    })
    return Date.now() - since
  }

  async #client(at: number): Promise<void> {
    const random = new Random(this.#options.seed + at)
    const own = this.#options.keysOf?.(at) ?? Array.from({ length: keys }, (_, i) => `c${at}-key-${i}`)
    for (let made = 0; !this.#stop.signal.aborted; ) {
      const size = random.next() < 0.3 ? 1 : random.between(2, this.#options.batch)
      const items = Array.from({ length: size }, (): Item => {
        return { token: `c${at}-${(made++).toString(36).padStart(6, '0')}`, key: random.pick(own) }
      })
      const unknown = await this.#publish(items, false)
      if (unknown.length > 0 && random.next() < 0.5) await this.#again(unknown, random.between(1, 8))
      if (this.#options.paceMs > 0) await pause(random.between(0, 2 * this.#options.paceMs))
    }
  }

  async #again(items: readonly Item[], times: number): Promise<void> {
    for (let left = items; left.length > 0 && times > 0; times--) left = await this.#publish(left, true)
  }

  /** Answers what is unknown of it. */
  async #publish(items: readonly Item[], again: boolean): Promise<readonly Item[]> {
    for (const item of items) this.#ledger.attempt(item)
    const began = Date.now()
    const results = await this.#publisher.publish(items.map(eventOf), { paced: true })
    this.requests.push({ began, ended: Date.now(), results })
    const broken = new Set<string>()
    return items.filter(({ token, key }, i) => {
      const result = results[i]!
      if (result.id !== token) this.violations.push(`${token} was answered as ${result.id}`)
      if (result.status === 'stored') {
        if (broken.has(key)) this.violations.push(`${token} was stored after an earlier event of ${key} was not`)
        this.#note(result.position, began)
        // Which of its repetitions is read first is not known.
        this.#ledger.acknowledge(token, token, again ? undefined : result.position)
        return false
      }
      broken.add(key)
      if (result.status === 'failed' && !again) {
        this.failed++
        this.#ledger.fail(token)
        return false
      }
      return true
    })
  }

  #note(position: string | undefined, began: number): void {
    const partition = Number(position?.split('-')[0] ?? Number.NaN)
    if (!Number.isNaN(partition)) this.#latest.set(partition, Math.max(began, this.#latest.get(partition) ?? 0))
  }
}

function eventOf({ token, key }: Item): Event {
  const data = encoder.encode(
    JSON.stringify({ token, pad: 'x'.repeat((Number.parseInt(token.slice(-3), 36) * 7) % 400) }),
  )
  return {
    attributes: {
      specversion: '1.0',
      id: token,
      source: '/load',
      type: 'load.made',
      partitionkey: key,
      datacontenttype: 'application/json',
    },
    data,
  }
}
