import { setTimeout as sleep } from 'node:timers/promises'
import { parseDuration } from '../core/duration.ts'
import { type Client, Refused } from './client.ts'
import type { Patience } from './patience.ts'
import { elementsOf, memberOf } from './raw-json.ts'

/** What may be on its way at once. */
const concurrency = 10
const wait = '20s'

/** The wait before each retry, quick for somebody who watches; the last one repeats. */
const retries = ['1s', '2s', '5s', '10s', '30s', '60s']

interface Delivery {
  /** The event in the JSON format, byte for byte. */
  readonly event: string
  readonly attempt: number
  readonly retryMs: number
}

interface Leased {
  readonly lease: string
  readonly attempt: number
}

interface Settlement {
  readonly lease: string
  readonly outcome: 'ack' | 'nack'
  readonly delay?: string
}

export interface GroupOptions {
  readonly topic: string
  readonly group: string
  readonly from: string
  readonly patience: Patience
  readonly say: (text: string) => void
  readonly signal: AbortSignal
}

/** A pull group of one's own, which ends with its user. */
export class PullGroup {
  readonly #client: Client
  readonly #options: GroupOptions
  readonly #path: string

  constructor(client: Client, options: GroupOptions) {
    this.#client = client
    this.#options = options
    this.#path = `/v1/topics/${encodeURIComponent(options.topic)}/groups/${options.group}`
  }

  async create(start = this.#options.from): Promise<void> {
    await this.#client.send('PUT', this.#path, { start }, this.#options.signal)
  }

  /**
   * Hands events out until the signal aborts or something fails for good: `take` answers whether the event was taken; one
   * that was not comes again. Rejects in both cases, once nothing is on its way any more.
   */
  async run(take: (delivery: Delivery, signal: AbortSignal) => Promise<boolean>): Promise<never> {
    const failed = new AbortController()
    const signal = AbortSignal.any([this.#options.signal, failed.signal])
    const underWay = new Set<Promise<void>>()
    try {
      for (;;) {
        signal.throwIfAborted()
        if (underWay.size >= concurrency) await Promise.race(underWay)
        for (const { head, event } of await this.#pull(concurrency - underWay.size, signal)) {
          const one = this.#handle(head, event, take, signal)
            .catch((error: unknown) => failed.abort(error))
            .finally(() => underWay.delete(one))
          underWay.add(one)
        }
      }
    } finally {
      await Promise.all(underWay)
    }
  }

  /** Resolves at once where it is gone already. */
  async delete(): Promise<void> {
    try {
      await this.#client.read(this.#path, { method: 'DELETE', signal: AbortSignal.timeout(5000) })
    } catch (error) {
      if (!(error instanceof Refused && error.problem === 'not_found')) throw error
    }
  }

  async #pull(max: number, signal: AbortSignal): Promise<{ head: Leased; event: string }[]> {
    const { patience, say } = this.#options
    for (let lost = 1; ; lost++) {
      try {
        // The first answer after a break tells that it is over: it shall not wait for an event.
        const pull = () =>
          this.#client.send('POST', `${this.#path}/pull`, { max, wait: patience.away ? '0s' : wait }, signal)
        const answer = await patience.keep(pull, signal)
        const { deliveries } = JSON.parse(answer) as { deliveries: Leased[] }
        const texts = elementsOf(memberOf(answer, 'deliveries')!)
        return deliveries.map((head, i) => ({ head, event: memberOf(texts[i]!, 'event')! }))
      } catch (error) {
        if (signal.aborted || !(error instanceof Refused && error.problem === 'not_found')) throw error
        // A gateway that keeps its log in memory forgets the group when it restarts.
        await patience.keep(() => this.create('latest'), signal)
        say('The gateway had lost the group; it was made anew, and begins with what comes now.')
        if (lost > 1) await sleep(1000, undefined, { signal })
      }
    }
  }

  async #handle(
    { lease, attempt }: Leased,
    event: string,
    take: (delivery: Delivery, signal: AbortSignal) => Promise<boolean>,
    signal: AbortSignal,
  ): Promise<void> {
    const delay = retries[Math.min(attempt, retries.length) - 1]!
    const taken = await take({ event, attempt, retryMs: parseDuration(delay)! }, signal)
    await this.#settle(taken ? { lease, outcome: 'ack' } : { lease, outcome: 'nack', delay }, signal)
  }

  async #settle(settlement: Settlement, signal: AbortSignal): Promise<void> {
    const { patience, say } = this.#options
    const settle = () => this.#client.send('POST', `${this.#path}/settle`, { settlements: [settlement] }, signal)
    const { results } = JSON.parse(await patience.keep(settle, signal)) as { results: { error?: { detail: string } }[] }
    const error = results[0]?.error
    if (error !== undefined) say(`It is not settled and may come again: ${error.detail}`)
  }
}
