import { Random } from '../../conformance/random.ts'
import { pause } from '../../conformance/waiting.ts'
import { readAnswer } from '../../faults/answer.ts'
import type { Addressed } from './api.ts'

/** An event as its publisher knows it. Those of one key were published one after the other. */
export interface Made {
  readonly id: string
  readonly key: string
  readonly type: string
  /** Its place among all of its key. */
  readonly place: number
  acknowledged: boolean
}

export interface LoadOptions {
  readonly seed: number
  readonly publishers: number
  /** How many events a request has at the most. */
  readonly batch: number
  /** Between two requests of a publisher. */
  readonly paceMs: number
  readonly keys: number
  /** How many of a hundred events are of a type other than `load.made`. */
  readonly types: Readonly<Record<string, number>>
  readonly name?: string
}

const batchType = 'application/cloudevents-batch+json'
/** Against hanging: how long an event may stay unknown although its publisher keeps asking. */
const resolveMs = 120_000

/**
 * Publishers, each over keys of its own and one request after the other. What they get no answer for they publish again,
 * as it was, until they do: a key's events are never out of order by their doing, and in the end all are acknowledged.
 */
export class Load {
  readonly made = new Map<string, Made>()
  readonly #gateways: readonly Addressed[]
  readonly #topic: string
  readonly #options: LoadOptions
  readonly #places = new Map<string, number>()
  #stop = new AbortController()
  #running: Promise<unknown> = Promise.resolve()
  #round = 0
  acknowledged = 0
  /** How many were published more than once, because the first outcome was not learnt. */
  repeated = 0

  constructor(topic: string, gateways: readonly Addressed[], options: LoadOptions) {
    this.#topic = topic
    this.#gateways = gateways
    this.#options = options
  }

  start(): void {
    const round = this.#round++
    this.#stop = new AbortController()
    const { signal } = this.#stop
    const publishers = Array.from({ length: this.#options.publishers }, (_, at) => this.#publisher(round, at, signal))
    this.#running = Promise.all(publishers)
    this.#running.catch(() => undefined)
  }

  /** Resolves when every event has its answer. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** Resolves when so many more are acknowledged. */
  async acknowledges(more: number): Promise<void> {
    const end = this.acknowledged + more
    const failed = this.#running.then(() => {
      if (this.acknowledged < end) throw new Error('The publishers have ended.')
    })
    failed.catch(() => undefined)
    while (this.acknowledged < end) await Promise.race([pause(10), failed])
  }

  /** Publishes so many at once, of one publisher. */
  async burst(count: number): Promise<void> {
    const random = new Random(this.#options.seed + 7919 * ++this.#round)
    for (let left = count; left > 0; ) {
      const size = Math.min(left, this.#options.batch)
      left -= size
      await this.#publish(
        Array.from({ length: size }, () => this.#make(`r${this.#round}`, random)),
        this.#gateways[0]!,
      )
    }
  }

  async #publisher(round: number, at: number, stop: AbortSignal): Promise<void> {
    const { seed, batch, paceMs } = this.#options
    const random = new Random(seed + 101 * round + at)
    const gateway = this.#gateways[at % this.#gateways.length]!
    while (!stop.aborted) {
      const items = Array.from({ length: random.between(1, batch) }, () => this.#make(`r${round}p${at}`, random))
      await this.#publish(items, gateway)
      if (paceMs > 0) await pause(random.between(0, 2 * paceMs))
    }
  }

  #make(publisher: string, random: Random): Made {
    const { keys, types, name = 'e' } = this.#options
    const key = `${name}${publisher}k${random.between(1, keys)}`
    const place = this.#places.get(key) ?? 0
    this.#places.set(key, place + 1)
    let percent = random.next() * 100
    const special = Object.entries(types).find(([, share]) => {
      percent -= share
      return percent < 0
    })
    const made = { id: `${key}-${place}`, key, place, type: special?.[0] ?? 'load.made', acknowledged: false }
    this.made.set(made.id, made)
    return made
  }

  async #publish(items: readonly Made[], gateway: Addressed): Promise<void> {
    const end = Date.now() + resolveMs
    for (let left = items; left.length > 0; ) {
      await this.#send(left, gateway)
      left = left.filter(({ acknowledged }) => !acknowledged)
      if (left.length === 0) return
      if (Date.now() > end) throw new Error(`${left[0]!.id} has no answer after ${resolveMs} ms`)
      this.repeated += left.length
      await pause(20)
    }
  }

  async #send(items: readonly Made[], gateway: Addressed): Promise<void> {
    const url = await gateway.url()
    const body = JSON.stringify(items.map(structured))
    try {
      const response = await fetch(`${url}/v1/topics/${this.#topic}/events`, {
        method: 'POST',
        headers: { 'content-type': batchType },
        body,
      })
      const tokens = items.map(({ id }) => ({ token: id }))
      await readAnswer(response, tokens, ({ token }, { status }) => {
        if (status !== 'stored') return
        this.made.get(token)!.acknowledged = true
        this.acknowledged++
      })
    } catch (error) {
      // A connection that ends, in mid-answer or before; anything else is a defect.
      if (!(error instanceof TypeError)) throw error
    }
  }
}

function structured({ id, key, type, place }: Made): Record<string, unknown> {
  const data = { place, pad: 'x'.repeat((place * 37) % 300) }
  return { specversion: '1.0', id, type, source: '/load', partitionkey: key, data }
}
