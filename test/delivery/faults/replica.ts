import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Orders } from './gateway-process.ts'

const entry = resolve(import.meta.dirname, 'gateway-process.ts')
/** Against hanging: a start takes about a second. */
const startMs = 60_000

/** One gateway process after the other on the same data; there may be several replicas of them. */
export class Replica {
  readonly #common: Pick<Orders, 'config' | 'folder' | 'control'>
  #child: ChildProcess | undefined
  #gone: Promise<unknown> = Promise.resolve()
  #listening = Promise.withResolvers<string>()
  /**
   * From when a process was seen to be killed, or to have killed itself, until the next one listens: what it had sent may
   * be read only after its end was heard of. By `performance.now`.
   */
  readonly kills: { readonly from: number; to: number }[] = []
  /** The end of what it wrote to stderr, all processes together. */
  errors = ''

  constructor(common: Pick<Orders, 'config' | 'folder' | 'control'>) {
    this.#common = common
  }

  /** The address, as soon as it accepts requests; while it is down, that of the next process. */
  url(): Promise<string> {
    return this.#listening.promise
  }

  /** Resolves when the present process is no more. */
  get gone(): Promise<unknown> {
    return this.#gone
  }

  start(die?: Orders['die']): void {
    const orders: Orders = { ...this.#common, ...(die !== undefined && { die }) }
    const environment = Object.entries(process.env).filter(([name]) => !/^(SLUICE_|NODE_OPTIONS$)/.test(name))
    const child = spawn(process.execPath, [entry, JSON.stringify(orders)], {
      env: Object.fromEntries(environment),
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const { resolve, reject, promise } = this.#listening
    promise.catch(() => undefined)
    child.stdin.on('error', () => undefined)
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.errors = `${this.errors}${text}`.slice(-8000)
      if (process.env.FAULTS_LOG) process.stderr.write(text)
    })
    const timer = setTimeout(() => reject(new Error(`No gateway after ${startMs} ms: ${this.errors}`)), startMs)
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { url } = JSON.parse(line) as { url: string }
      clearTimeout(timer)
      const now = performance.now()
      for (const kill of this.kills) kill.to = Math.min(kill.to, now)
      resolve(url)
    })
    child.once('error', reject)
    this.#child = child
    this.#gone = once(child, 'close').then(([code, signal]) => {
      clearTimeout(timer)
      if (signal === 'SIGKILL') this.kills.push({ from: performance.now(), to: Number.POSITIVE_INFINITY })
      else if (code !== 0) reject(new Error(`The gateway ended with ${code ?? signal}: ${this.errors}`))
      this.#renew()
    })
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#gone
  }

  /** Ends it in an orderly way. */
  async stop(): Promise<void> {
    this.#child?.kill('SIGTERM')
    await this.#gone
  }

  /** Whoever waits for a process that never came to listen waits for the next. */
  #renew(): void {
    const before = this.#listening
    this.#listening = Promise.withResolvers<string>()
    this.#listening.promise.catch(() => undefined)
    before.resolve(this.#listening.promise)
  }
}
