import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { builtInConfig } from '../../src/config/load.ts'
import { type RunningGateway, startGateway } from '../../src/runtime/node.ts'
import { pause } from '../conformance/waiting.ts'
import { Client } from '../fixtures/client.ts'

const patienceMs = 20_000

export interface Listed {
  readonly id: string
  readonly status: string
  readonly reason?: string
  readonly attempts: number
  readonly event: { readonly id: string; readonly type: string }
}

/** A whole gateway in this process, with an embedded broker on disk and the topic `orders`. */
export class Whole {
  readonly client: Client
  readonly url: string
  readonly logged: string[] = []
  readonly #directory: string
  readonly #gateway: RunningGateway

  private constructor(directory: string, gateway: RunningGateway, logged: string[]) {
    this.#directory = directory
    this.#gateway = gateway
    this.logged = logged
    this.url = gateway.url
    this.client = new Client(gateway.url)
  }

  /** `environment` is all that the gateway knows of it. */
  static async start(environment: NodeJS.ProcessEnv = {}): Promise<Whole> {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-whole-'))
    const config = {
      brokers: { main: { type: 'embedded', path: 'log.db' } },
      topics: { orders: { broker: 'main' } },
      store: { type: 'sqlite', path: 'store.db' },
    }
    const logged: string[] = []
    const gateway = await startGateway({
      loaded: builtInConfig(config, directory),
      file: undefined,
      environment,
      host: '127.0.0.1',
      port: 0,
      createOn: undefined,
      allowLoopback: true,
      log: (level, message, fields) => void logged.push(`${level} ${message} ${JSON.stringify(fields)}`),
    })
    return new Whole(directory, gateway, logged)
  }

  /** Answers the id. */
  async subscribe(url: string, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const answer = await this.client.request('POST', '/v1/subscriptions', { json: { topic: 'orders', url, ...more } })
    if (answer.status !== 201) throw new Error(answer.text)
    return answer.json<{ id: string }>().id
  }

  async publish(id: string, type = 'order.placed', topic = 'orders'): Promise<void> {
    const event = JSON.stringify({ specversion: '1.0', id, type, source: '/shop', data: { id } })
    const answer = await this.client.publish(topic, event, 'application/cloudevents+json')
    if (answer.status !== 200) throw new Error(answer.text)
  }

  async show(subscription: string) {
    const answer = await this.client.get(`/v1/subscriptions/${subscription}`)
    return answer.json<{
      status: string
      reason?: string
      feed: string
      pending: { events: number }
      revision: number
    }>()
  }

  async deliveries(subscription: string, status?: string): Promise<Listed[]> {
    const wanted = status === undefined ? '' : `&status=${status}`
    return (await this.client.get(`/v1/deliveries?subscription=${subscription}${wanted}`)).json<{ items: Listed[] }>()
      .items
  }

  async detail(delivery: string) {
    const answer = await this.client.get(`/v1/deliveries/${delivery}`)
    return answer.json<
      Listed & { history: { number: number; status?: number; stage?: string; error?: string; body?: string }[] }
    >()
  }

  async stop(): Promise<void> {
    await this.#gateway.stop()
    await rm(this.#directory, { recursive: true })
  }
}

/** What `ask` answers once `holds` is true of it. */
export async function eventually<T>(ask: () => Promise<T> | T, holds: (answer: T) => boolean): Promise<T> {
  const end = Date.now() + patienceMs
  for (;;) {
    const answer = await ask()
    if (holds(answer)) return answer
    if (Date.now() > end) throw new Error(`Still ${JSON.stringify(answer)}`)
    await pause(20)
  }
}
