import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sharedKafka, sharedPostgres } from '../brokers/services/shared.ts'
import { Client } from '../fixtures/client.ts'
import { cloudEvent } from '../http/events.ts'
import { Serving } from '../swap/process.ts'

export type StoreType = 'sqlite' | 'postgres'

/** Gateways that share topics of a real Kafka, and one store: whoever pulls may settle at any of them. */
export class Replicas {
  readonly #folder: string
  readonly #running: Serving[] = []
  readonly #topics: string[]

  private constructor(folder: string, topics: string[]) {
    this.#folder = folder
    this.#topics = topics
  }

  static async create(store: StoreType, topics = 12): Promise<Replicas> {
    const [{ bootstrap }, url] = await Promise.all([
      sharedKafka(1),
      store === 'postgres' ? sharedPostgres() : undefined,
    ])
    const name = randomBytes(5).toString('hex')
    const names = Array.from({ length: topics }, (_, i) => `held.${name}.${i}`)
    const folder = await mkdtemp(join(tmpdir(), 'sluice-held-'))
    const storeLine = url === undefined ? 'type: sqlite, path: store.db' : `type: postgres, url: "${url}"`
    const lines = [
      `brokers: { main: { type: kafka, bootstrap: [${bootstrap.join(', ')}], sessionTimeout: 6s } }`,
      'topics:',
      ...names.map((topic) => `  ${topic}: { broker: main, ensure: { partitions: 4 } }`),
      `store: { ${storeLine} }`,
      `encryptionKey: ${randomBytes(32).toString('base64')}`,
    ]
    await writeFile(join(folder, 'sluice.yaml'), `${lines.join('\n')}\n`)
    return new Replicas(folder, names)
  }

  /** One more gateway. */
  async start(): Promise<{ readonly client: Client; readonly serving: Serving }> {
    const serving = new Serving(this.#folder)
    this.#running.push(serving)
    return { client: new Client(await serving.url), serving }
  }

  /** One that no other test has. */
  topic(): string {
    const topic = this.#topics.pop()
    if (topic === undefined) throw new Error('There are too few topics for these tests.')
    return topic
  }

  async remove(): Promise<void> {
    await Promise.all(this.#running.map((serving) => serving.stop('SIGKILL')))
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** Publishes events with these ids; what precedes a colon is the key. */
export async function publish(client: Client, topic: string, ids: readonly string[]): Promise<void> {
  const events = ids.map((id) => cloudEvent(id, id.includes(':') ? { partitionkey: id.split(':')[0] } : {}))
  const answer = await client.request('POST', `/v1/topics/${topic}/events`, {
    body: JSON.stringify(events),
    headers: { 'content-type': 'application/cloudevents-batch+json' },
  })
  if (answer.status !== 200) throw new Error(answer.text)
}
