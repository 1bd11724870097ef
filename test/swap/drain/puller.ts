import { pause } from '../../conformance/waiting.ts'
import type { Addressed } from '../../delivery/faults/api.ts'

interface Pulled {
  readonly lease: string
  readonly event: { readonly id: string; readonly partitionkey: string }
}

/** Against hanging: what a request may take while gateways are killed. */
const askMs = 20_000

/** One puller of one group, which settles all that it gets; it outlives every gateway. */
export class Puller {
  /** In the order in which each came for the first time. */
  readonly received = new Map<string, string>()
  readonly #gateway: Addressed
  readonly #path: string
  #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(gateway: Addressed, topic: string, group: string) {
    this.#gateway = gateway
    this.#path = `/v1/topics/${topic}/groups/${group}`
  }

  /** Before the first event. */
  async create(): Promise<void> {
    await this.#ask('PUT', '', { lease: '3s', maxAttempts: 100 })
  }

  async lag(): Promise<number> {
    return ((await this.#ask('GET', '')) as { lag: { events: number } }).lag.events
  }

  start(): void {
    this.#stop = new AbortController()
    this.#running = this.#run(this.#stop.signal)
    this.#running.catch(() => undefined)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** Takes so many at the most, once, and settles them. */
  async some(max: number): Promise<void> {
    await this.#take(max, '2s')
  }

  async #run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      try {
        await this.#take(40, '1s')
      } catch {
        // The gateway is gone, or its broker away: what was leased comes again.
        await pause(50)
      }
    }
  }

  async #take(max: number, wait: string): Promise<void> {
    const { deliveries } = (await this.#ask('POST', '/pull', { max, wait })) as { deliveries: Pulled[] }
    for (const { event } of deliveries) {
      if (!this.received.has(event.id)) this.received.set(event.id, event.partitionkey)
    }
    const settlements = deliveries.map(({ lease }) => ({ lease, outcome: 'ack' }))
    if (settlements.length > 0) await this.#ask('POST', '/settle', { settlements })
  }

  async #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const url = await this.#gateway.url()
    const response = await fetch(`${url}${this.#path}${path}`, {
      method,
      signal: AbortSignal.timeout(askMs),
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${this.#path}${path}: ${response.status} ${text}`)
    return JSON.parse(text)
  }
}
