import { Random } from '../conformance/random.ts'
import { pause, until } from '../conformance/waiting.ts'
import { Gateway } from './gateway.ts'

export interface PullReport {
  readonly kills: number
  readonly delivered: number
  readonly acknowledged: number
  /** Events whose last ack got no answer, and which never came again: it was done. */
  readonly unknown: number
  /** Deliveries that were left to their lease on purpose, or whose ack was refused because it had ended. */
  readonly left: number
  readonly violations: readonly string[]
}

interface Delivered {
  readonly lease: string
  readonly attempt: number
  readonly event: { readonly id: string }
}

const topic = '/v1/topics/pulled'
const group = `${topic}/groups/workers`
const pullers = 4
/** Against hanging. */
const endMs = 120_000

/**
 * Pulls and settles `events` events while the gateway is killed at random moments, about every `every` acks. An ack that
 * was answered with ok is final: no delivery of its event follows. Everything else is delivered again, as a later
 * attempt, until it is acknowledged.
 */
export async function killWhilePulling(seed: number, events: number, every: number): Promise<PullReport> {
  const run = new PullRun(seed)
  try {
    await run.prepare(events)
    return await run.work(every)
  } finally {
    await run.end()
  }
}

class PullRun {
  readonly #random: Random
  #gateway: Gateway | undefined
  readonly #ids: string[] = []
  readonly #acknowledged = new Set<string>()
  readonly #unknown = new Set<string>()
  readonly #attempts = new Map<string, number>()
  readonly #violations: string[] = []
  #delivered = 0
  #left = 0
  #stopped = false

  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  async prepare(events: number): Promise<void> {
    this.#gateway = await Gateway.create()
    this.#gateway.start()
    await this.#call('PUT', group, { start: 'earliest', lease: '5s', maxAttempts: 1000 })
    for (let i = 0; i < events; i++) this.#ids.push(`e${i}`)
    for (let at = 0; at < events; at += 1000) {
      const part = this.#ids.slice(at, at + 1000)
      const batch = part.map((id) => ({ specversion: '1.0', type: 'load.made', source: '/load', id, data: { id } }))
      await this.#call('POST', `${topic}/events`, batch, 'application/cloudevents-batch+json')
    }
  }

  async work(every: number): Promise<PullReport> {
    const gateway = this.#gateway!
    const work = Promise.all(Array.from({ length: pullers }, () => this.#pull()))
    const killing = this.#kill(gateway, every)
    try {
      await Promise.race([killing, work])
    } finally {
      this.#stopped = true
      await Promise.allSettled([killing])
    }
    await work
    // The last look is that of a new process: nothing comes back.
    await gateway.killAndStart()
    await gateway.url()
    const again = await this.#call<{ deliveries: Delivered[] }>('POST', `${group}/pull`, { max: 10, wait: '6s' })
    again?.deliveries.forEach((one) => {
      this.#arrive(one)
    })
    for (const id of this.#ids) {
      if (!this.#acknowledged.has(id) && !this.#unknown.has(id)) this.#violations.push(`${id} was never acknowledged`)
    }
    return {
      kills: await killing,
      delivered: this.#delivered,
      acknowledged: this.#acknowledged.size,
      unknown: this.#unknown.size,
      left: this.#left,
      violations: this.#violations,
    }
  }

  async end(): Promise<void> {
    await this.#gateway?.remove()
  }

  async #kill(gateway: Gateway, every: number): Promise<number> {
    let kills = 0
    const over = (): boolean => this.#settled() >= this.#ids.length || this.#violations.length > 0 || this.#stopped
    for (let next = every; !over(); next += this.#random.between(1, 2 * every)) {
      const enough = async () => this.#settled() >= next || over()
      await until(endMs, `${next} events are settled`, enough, 5)
      if (over()) break
      await gateway.killAndStart()
      kills++
    }
    await until(endMs, 'the group has no lag', async () => {
      const state = await this.#call<{ lag: { events: number } }>('GET', group)
      return state?.lag.events === 0 || this.#violations.length > 0 || this.#stopped
    })
    return kills
  }

  #settled(): number {
    return this.#acknowledged.size + this.#unknown.size
  }

  async #pull(): Promise<void> {
    while (!this.#stopped) {
      const pull = { max: this.#random.between(1, 20), wait: '1s' }
      const answer = await this.#call<{ deliveries: Delivered[] }>('POST', `${group}/pull`, pull)
      if (answer === undefined) await pause(20)
      else await this.#settle(answer.deliveries)
    }
  }

  async #settle(deliveries: readonly Delivered[]): Promise<void> {
    for (const delivery of deliveries) this.#arrive(delivery)
    // Some are left to their lease the first time, as by a worker that dies.
    const chosen = deliveries.filter(({ attempt }) => attempt > 1 || this.#random.next() < 0.95)
    this.#left += deliveries.length - chosen.length
    if (chosen.length === 0) return
    const settlements = chosen.map(({ lease }) => ({ lease, outcome: 'ack' }))
    const answer = await this.#call<{ results: { status: string }[] }>('POST', `${group}/settle`, { settlements })
    for (const [i, { event }] of chosen.entries()) {
      if (answer === undefined) this.#unknown.add(event.id)
      else if (answer.results[i]?.status === 'ok') this.#acknowledged.add(event.id)
      else this.#left++
    }
  }

  #arrive({ event: { id }, attempt }: Delivered): void {
    this.#delivered++
    const before = this.#attempts.get(id) ?? 0
    if (this.#acknowledged.has(id)) this.#violations.push(`${id} came again, as attempt ${attempt}, after its ack`)
    if (attempt <= before) this.#violations.push(`${id} came as attempt ${attempt} after attempt ${before}`)
    this.#attempts.set(id, attempt)
    this.#unknown.delete(id)
  }

  /** Undefined where there was no answer: the gateway was killed, or is about to be. */
  async #call<T>(method: string, path: string, body?: unknown, type = 'application/json'): Promise<T | undefined> {
    const url = await this.#gateway!.url()
    const init = body === undefined ? {} : { headers: { 'content-type': type }, body: JSON.stringify(body) }
    const response = await fetch(`${url}${path}`, { method, ...init }).catch(() => undefined)
    const text = await response?.text().catch(() => undefined)
    if (response === undefined || text === undefined || response.status >= 500) return undefined
    if (!response.ok) throw new Error(`${method} ${path} was refused with ${response.status}: ${text}`)
    return JSON.parse(text) as T
  }
}
