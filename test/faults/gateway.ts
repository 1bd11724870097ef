import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const main = resolve(import.meta.dirname, '../../src/cli/main.ts')
/** Against hanging: a start takes about a second. */
const startMs = 60_000

/** The real gateway as a process of its own, killed and started again on the same data. */
export class Gateway {
  readonly #folder: string
  #child: ChildProcess | undefined
  #gone: Promise<unknown> = Promise.resolve()
  #listening = Promise.withResolvers<string>()

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async create(): Promise<Gateway> {
    return new Gateway(await mkdtemp(join(tmpdir(), 'sluice-faults-')))
  }

  /** The address, as soon as it accepts requests; while it is down, that of the next process. */
  url(): Promise<string> {
    return this.#listening.promise
  }

  /** Starts a process; `url` says when it listens. */
  start(): void {
    const words = ['--disable-warning=ExperimentalWarning', main, 'dev', '--data', 'data', '--port', '0', '--json']
    const environment = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'))
    const child = spawn(process.execPath, words, {
      cwd: this.#folder,
      env: Object.fromEntries(environment),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { resolve, reject, promise } = this.#listening
    promise.catch(() => undefined)
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = `${errors}${text}`.slice(-4000)
    })
    const timer = setTimeout(() => reject(new Error(`No gateway after ${startMs} ms: ${errors}`)), startMs)
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('{')) return
      const { event, url } = JSON.parse(line) as { event?: string; url?: string }
      if (event === 'listening' && url !== undefined) resolve(url)
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      if (signal !== 'SIGKILL') reject(new Error(`The gateway ended with ${code ?? signal}: ${errors}`))
    })
    this.#child = child
    this.#gone = once(child, 'close')
  }

  /** Ends the process by a signal that it cannot answer, and starts the next at once. */
  async killAndStart(): Promise<void> {
    await this.kill()
    this.start()
  }

  async kill(): Promise<void> {
    const before = this.#listening
    const next = Promise.withResolvers<string>()
    this.#listening = next
    // Whoever waits for a process that never came to listen waits for the next.
    before.resolve(next.promise)
    this.#child?.kill('SIGKILL')
    await this.#gone
  }

  /** Ends the process and removes the data. */
  async remove(): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
