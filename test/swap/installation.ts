import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { brokerLines, ensured, preloads, type Word } from './brokers.ts'
import { type Ended, Serving } from './process.ts'
import { WatchedClient } from './watched-client.ts'

/** What one topic says besides its broker, in the way of YAML. */
export interface TopicLine {
  readonly broker: Word
  readonly more?: string
}

/** A name that no other run has given to a topic of the same cluster. */
export function topicName(word: string): string {
  return `${word}.${randomBytes(5).toString('hex')}`
}

/** A folder with a configuration, and the gateway that runs with it. */
export class Installation {
  readonly #folder: string
  readonly #words: readonly Word[]
  readonly #nodes: 1 | 3
  #serving: Serving | undefined

  private constructor(folder: string, words: readonly Word[], nodes: 1 | 3) {
    this.#folder = folder
    this.#words = words
    this.#nodes = nodes
  }

  /** `words` are the brokers of the configuration, `nodes` is how many a cluster has. */
  static async create(words: readonly Word[], nodes: 1 | 3 = 1): Promise<Installation> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-swap-'))
    await mkdir(join(folder, 'data'))
    return new Installation(folder, words, nodes)
  }

  /** Starts with these topics; answers the client of the gateway that listens. */
  async start(topics: ReadonlyMap<string, TopicLine>): Promise<WatchedClient> {
    return new WatchedClient(await (await this.#serve(topics)).url)
  }

  /** Starts with topics that cannot be; answers what it says. */
  async refused(topics: ReadonlyMap<string, TopicLine>): Promise<string> {
    const serving = await this.#serve(topics)
    serving.url.then(
      () => serving.stop('SIGTERM'),
      () => undefined,
    )
    const { code, stdout, stderr } = await serving.ended
    expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: '' })
    return stderr
  }

  /** Nothing in the file depends on the broker but the word that names it, and whether there are partitions. */
  async #serve(topics: ReadonlyMap<string, TopicLine>): Promise<Serving> {
    const lines = [...topics].map(([name, { broker, more = ensured(broker) }]) => {
      return `  ${name}: { broker: ${broker}, ${more} }`
    })
    const configuration = `brokers:
${await brokerLines(this.#words, this.#nodes)}
topics:
${lines.join('\n')}
store: { type: sqlite, path: data/store.db }
outbound: { allowPrivate: [127.0.0.0/8] }
`
    await writeFile(join(this.#folder, 'sluice.yaml'), configuration)
    this.#serving = new Serving(this.#folder, preloads(this.#words))
    return this.#serving
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<Ended | undefined> {
    const serving = this.#serving
    this.#serving = undefined
    return serving?.stop(signal)
  }

  async remove(): Promise<void> {
    await this.stop('SIGKILL')
    await rm(this.#folder, { recursive: true, force: true })
  }
}
