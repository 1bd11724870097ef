import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach } from 'vitest'
import { builtInConfig } from '../../src/config/load.ts'
import { type RunningGateway, startGateway } from '../../src/runtime/node.ts'
import { Client } from '../fixtures/client.ts'

export interface Line {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A gateway of this process, on a folder and with topics of its own. */
export class Installation {
  readonly folder: string
  readonly log: Line[] = []
  #gateway: RunningGateway | undefined

  private constructor(folder: string) {
    this.folder = folder
  }

  static async create(): Promise<Installation> {
    return new Installation(await mkdtemp(join(tmpdir(), 'sluice-bridges-')))
  }

  async start(config: object): Promise<Client> {
    const store = { type: 'sqlite', path: 'store.db' }
    this.#gateway = await startGateway({
      loaded: builtInConfig({ store, ...config }, this.folder),
      file: undefined,
      environment: {},
      host: '127.0.0.1',
      port: 0,
      createOn: undefined,
      allowLoopback: true,
      log: (level, message, fields = {}) => void this.log.push({ level, message, fields }),
    })
    return new Client(this.#gateway.url)
  }

  async stop(): Promise<void> {
    await this.#gateway?.stop()
    this.#gateway = undefined
  }

  async remove(): Promise<void> {
    await this.stop()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** The lines that say so, as far as there are any. */
  lines(message: string): Line[] {
    return this.log.filter((line) => line.message.includes(message))
  }
}

/** Installations that end with their test. */
export function installations(): () => Promise<Installation> {
  const all: Installation[] = []
  const remove = async (): Promise<void> => {
    await Promise.all(all.splice(0).map((one) => one.remove()))
  }
  afterEach(remove)
  afterAll(remove)
  return async () => {
    const one = await Installation.create()
    all.push(one)
    return one
  }
}

/** A name that no other run has given to a topic of the same cluster. */
export function topicName(word: string): string {
  return `${word}.${randomBytes(5).toString('hex')}`
}

/** The value of a bridge's metric; undefined where it is not told. */
export async function metric(client: Client, name: string, bridge: string): Promise<number | undefined> {
  const { text } = await client.get('/metrics')
  const line = text.split('\n').find((one) => one.startsWith(`sluice_bridge_${name}{bridge="${bridge}"`))
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1))
}
