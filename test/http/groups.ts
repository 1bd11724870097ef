import type { CheckedAnswer, Client } from '../fixtures/client.ts'
import type { ReadEvent } from './events.ts'

export interface Delivery {
  readonly lease: string
  readonly expiresAt: string
  readonly attempt: number
  readonly event: ReadEvent
  readonly position?: string
}

export interface SettleResult {
  readonly lease: string
  readonly status: string
  readonly error?: { readonly code: string; readonly detail: string }
  readonly renewed?: string
  readonly expiresAt?: string
}

export interface DeadLetter {
  readonly id: string
  readonly reason: string
  readonly attempts: number
  readonly deadAt: string
  readonly event: ReadEvent
}

/** One group of one topic, as its clients speak to it. */
export class Group {
  readonly path: string
  readonly #client: Client

  constructor(client: Client, topic: string, group = 'g') {
    this.path = `/v1/topics/${topic}/groups/${group}`
    this.#client = client
  }

  create(body: unknown = {}): Promise<CheckedAnswer> {
    return this.#client.put(this.path, body)
  }

  get(): Promise<CheckedAnswer> {
    return this.#client.get(this.path)
  }

  async lag(): Promise<number> {
    return (await this.get()).json<{ lag: { events: number } }>().lag.events
  }

  async pull(max = 10, wait?: string): Promise<readonly Delivery[]> {
    const answer = await this.#client.post(`${this.path}/pull`, { max, ...(wait !== undefined && { wait }) })
    if (answer.status !== 200) throw new Error(answer.text)
    return answer.json<{ deliveries: Delivery[] }>().deliveries
  }

  /** Takes one event; fails where there is none. */
  async one(wait?: string): Promise<Delivery> {
    const [delivery] = await this.pull(1, wait)
    if (delivery === undefined) throw new Error('There is nothing to pull.')
    return delivery
  }

  settleRaw(settlements: readonly unknown[]): Promise<CheckedAnswer> {
    return this.#client.post(`${this.path}/settle`, { settlements })
  }

  async settle(...settlements: readonly unknown[]): Promise<readonly SettleResult[]> {
    const answer = await this.settleRaw(settlements)
    if (answer.status !== 200) throw new Error(answer.text)
    return answer.json<{ results: SettleResult[] }>().results
  }

  /** Settles one lease and answers its status, or the code of its error. */
  async say(lease: string, outcome: string, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const [result] = await this.settle({ lease, outcome, ...more })
    return result?.error?.code ?? result?.status ?? 'no result'
  }

  async dead(query = ''): Promise<readonly DeadLetter[]> {
    return (await this.#client.get(`${this.path}/dead${query}`)).json<{ items: DeadLetter[] }>().items
  }
}
