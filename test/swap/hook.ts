import { Webhook } from 'standardwebhooks'
import { expect } from 'vitest'
import { answer, type ReceivedRequest, type Receiver, type Script } from '../delivery/receiver.ts'
import type { ReadEvent } from '../http/events.ts'
import type { Ask } from '../http/lacks.ts'
import type { WatchedClient } from './watched-client.ts'

/** One attempt, as its endpoint got it. */
export interface Arrived {
  readonly request: ReceivedRequest
  /** The `webhook-id`. */
  readonly delivery: string
  readonly attempt: number
  readonly body: string
}

export interface ListedDelivery {
  readonly id: string
  readonly status: string
  readonly attempts: number
  readonly event: { readonly id: string }
}

let made = 0

/** What endpoints are sent, where their retries must not keep a test waiting. */
export const quickly = { retry: { schedule: Array.from({ length: 50 }, () => '50ms') }, breaker: { minimum: 100_000 } }

/** A subscription with an endpoint of its own. The public package verifies every attempt with its secret. */
export class Hook {
  readonly id: string
  readonly path: string
  readonly #client: () => WatchedClient
  readonly #receiver: Receiver
  readonly #webhook: Webhook

  private constructor(client: () => WatchedClient, receiver: Receiver, path: string, id: string, secret: string) {
    this.#client = client
    this.#receiver = receiver
    this.path = path
    this.id = id
    this.#webhook = new Webhook(secret)
  }

  /** Of a topic. `script` says what the endpoint does from the start. */
  static async subscribe(
    client: () => WatchedClient,
    receiver: Receiver,
    topic: string,
    fields: Readonly<Record<string, unknown>> = {},
    script: Script = answer(),
  ): Promise<Hook> {
    const path = `/hook-${++made}`
    receiver.scripts.set(path, script)
    const url = `${receiver.url}${path}`
    const created = await client().post('/v1/subscriptions', { topic, url, policy: quickly, ...fields })
    expect(created.status, created.text).toBe(201)
    const { id, secret } = created.json<{ id: string; secret: string }>()
    return new Hook(client, receiver, path, id, secret)
  }

  /** What the endpoint does from now on. */
  set script(script: Script) {
    this.#receiver.scripts.set(this.path, script)
  }

  /** Every attempt so far, in the order in which they came. */
  get arrived(): readonly Arrived[] {
    return this.#receiver.requests
      .filter(({ path }) => path === this.path)
      .map((request) => {
        const body = request.body.toString()
        // The package reads a body as text.
        if (Buffer.from(body).equals(request.body)) {
          this.#webhook.verify(body, request.headers as Record<string, string>)
        }
        const { 'webhook-id': delivery, 'webhook-attempt': attempt } = request.headers
        return { request, delivery: String(delivery), attempt: Number(attempt), body }
      })
  }

  /** The events of the attempts, where they are sent in the structured mode. */
  get events(): readonly ReadEvent[] {
    return this.arrived.map(({ body }) => JSON.parse(body) as ReadEvent)
  }

  get ids(): readonly string[] {
    return this.events.map(({ id }) => id)
  }

  /** Waits for so many attempts. */
  async received(count: number): Promise<readonly Arrived[]> {
    const isOwn = ({ path }: ReceivedRequest) => path === this.path
    for (let all = 0; ; ) {
      const { requests } = this.#receiver
      all = requests.length
      if (requests.filter(isOwn).length >= count) return this.arrived
      await this.#receiver.received(all + 1)
    }
  }

  async deliveries(status: string): Promise<readonly ListedDelivery[]> {
    const answer = await this.#client().get(`/v1/deliveries?subscription=${this.id}&status=${status}`)
    return answer.json<{ items: ListedDelivery[] }>().items
  }

  async show(): Promise<{ readonly status: string; readonly lag: { readonly events: number } }> {
    return (await this.#client().get(this.target)).json()
  }

  get target(): string {
    return `/v1/subscriptions/${this.id}`
  }

  async do(action: 'pause' | 'resume'): Promise<void> {
    const answer = await this.#client().post(`${this.target}/${action}`, {})
    expect(answer.status, answer.text).toBe(200)
  }
}

/** A subscription that must be refused: nothing is sent to its address. */
export function subscribing(topic: string, fields: Readonly<Record<string, unknown>>): Ask {
  return { method: 'POST', target: '/v1/subscriptions', json: { topic, url: 'https://hooks.example.com/', ...fields } }
}
