import { pause, until } from '../../conformance/waiting.ts'

export interface Row {
  readonly id: string
  readonly subscription: string
  readonly event: { readonly id: string }
  readonly status: 'in_flight' | 'parked' | 'dead' | 'succeeded' | 'discarded' | 'expired'
  readonly attempts: number
  readonly operation?: string
}

export interface Subscribed {
  readonly id: string
  readonly url: string
  readonly status: string
  readonly feed: 'attached' | 'detached' | 'rejoining'
  readonly state: { readonly breaker: 'closed' | 'open' | 'half-open'; readonly inFlight: number }
  readonly pending: { readonly events: number }
}

export interface Operation {
  readonly id: string
  readonly state: 'running' | 'paused' | 'cancelled' | 'succeeded' | 'failed'
  readonly matched?: number
  readonly done: number
  readonly failed: number
}

/** Whoever can say where a gateway listens now. */
export interface Addressed {
  url(): Promise<string>
}

/** Against hanging: what a request may take while gateways are killed. */
const patienceMs = 60_000

/** Asks a gateway, and the next one where it is killed over the answer; so it may ask twice. */
export class Api {
  readonly #gateway: Addressed

  constructor(gateway: Addressed) {
    this.#gateway = gateway
  }

  async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const end = Date.now() + patienceMs
    for (;;) {
      const url = await this.#gateway.url()
      try {
        const response = await fetch(`${url}${path}`, {
          method,
          ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
        })
        const text = await response.text()
        if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T
        if (response.status < 500 || Date.now() > end)
          throw new Refused(`${method} ${path}: ${response.status} ${text}`)
      } catch (error) {
        if (error instanceof Refused || Date.now() > end) throw error
      }
      await pause(50)
    }
  }

  subscribe(form: Record<string, unknown>): Promise<Subscribed & { secret: string }> {
    return this.ask('POST', '/v1/subscriptions', form)
  }

  subscription(id: string): Promise<Subscribed> {
    return this.ask('GET', `/v1/subscriptions/${id}`)
  }

  subscriptions(): Promise<Subscribed[]> {
    return this.#all('/v1/subscriptions?limit=1000')
  }

  rows(subscription: string, status?: Row['status']): Promise<Row[]> {
    const filter = status === undefined ? '' : `&status=${status}`
    return this.#all(`/v1/deliveries?subscription=${subscription}&limit=1000${filter}`)
  }

  operation(id: string): Promise<Operation> {
    return this.ask('GET', `/v1/operations/${id}`)
  }

  async finished(id: string, ms = 120_000): Promise<Operation> {
    return until(
      ms,
      `operation ${id} is finished`,
      async () => {
        const operation = await this.operation(id)
        return ['running', 'paused'].includes(operation.state) ? undefined : operation
      },
      100,
    )
  }

  /** Those that something waits for, or is under way to. */
  async busy(): Promise<Subscribed[]> {
    const all = await this.subscriptions()
    return all.filter(({ pending, feed, state }) => pending.events > 0 || feed !== 'attached' || state.inFlight > 0)
  }

  async #all<T>(path: string): Promise<T[]> {
    const all: T[] = []
    for (let cursor = ''; ; ) {
      const { items, next } = await this.ask<{ items: T[]; next?: string }>('GET', `${path}${cursor}`)
      all.push(...items)
      if (next === undefined) return all
      cursor = `&cursor=${encodeURIComponent(next)}`
    }
  }
}

class Refused extends Error {}
