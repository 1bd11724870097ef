import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { builtInConfig } from '../../src/config/load.ts'
import { type RunningGateway, startGateway } from '../../src/runtime/node.ts'
import { Client } from '../fixtures/client.ts'
import { Group } from '../http/groups.ts'

export type Config = Readonly<Record<string, unknown>>

export interface ShownTopic {
  readonly broker: string
  readonly epoch: number
  readonly groups: readonly string[]
  readonly draining?: {
    readonly broker: string
    readonly epoch: number
    readonly emptied: boolean
    readonly groups: readonly { readonly group: string; readonly events?: number }[]
  }
}

const embedded = {
  one: { type: 'embedded', path: 'one.db' },
  two: { type: 'embedded', path: 'two.db' },
  three: { type: 'embedded', path: 'three.db' },
}

/** A gateway in this process, started again and again with other topics over the same folder. */
export class DrainGateway {
  readonly logged: string[] = []
  readonly folder: string
  client!: Client
  #gateway: RunningGateway | undefined

  private constructor(folder: string) {
    this.folder = folder
  }

  static async create(folder?: string): Promise<DrainGateway> {
    return new DrainGateway(folder ?? (await mkdtemp(join(tmpdir(), 'sluice-drain-'))))
  }

  /** Ends the one that runs first. */
  async start(topics: Config, more: Config = {}): Promise<void> {
    await this.stop()
    const config = { brokers: embedded, topics, store: { type: 'sqlite', path: 'store.db' }, ...more }
    this.#gateway = await startGateway({
      loaded: builtInConfig(config, this.folder),
      environment: {},
      host: '127.0.0.1',
      port: 0,
      createOn: undefined,
      allowLoopback: true,
      file: undefined,
      log: (level, message, fields) => void this.logged.push(`${level} ${message} ${JSON.stringify(fields)}`),
    })
    this.client = new Client(this.#gateway.url)
  }

  async stop(): Promise<void> {
    await this.#gateway?.stop()
    this.#gateway = undefined
  }

  async remove(): Promise<void> {
    await this.stop()
    await rm(this.folder, { recursive: true, force: true })
  }

  group(topic: string, group = 'g'): Group {
    return new Group(this.client, topic, group)
  }

  async show(topic: string): Promise<ShownTopic> {
    return (await this.client.get(`/v1/topics/${topic}`)).json<ShownTopic>()
  }

  publish(topic: string, id: string, more: Config = {}) {
    const event = JSON.stringify({ specversion: '1.0', id, type: 't', source: '/s', ...more })
    return this.client.publish(topic, event, 'application/cloudevents+json')
  }

  /** Each must be stored. */
  async publishAll(topic: string, ids: readonly string[], more: Config = {}): Promise<void> {
    for (const id of ids) {
      const answer = await this.publish(topic, id, more)
      if (answer.status !== 200) throw new Error(answer.text)
    }
  }

  async subscribe(topic: string, url: string, more: Config = {}): Promise<string> {
    const answer = await this.client.request('POST', '/v1/subscriptions', { json: { topic, url, ...more } })
    if (answer.status !== 201) throw new Error(answer.text)
    return answer.json<{ id: string }>().id
  }
}
