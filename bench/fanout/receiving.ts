import { type ChildProcess, fork } from 'node:child_process'
import type { Releases } from '../release.ts'
import { type Usage, usageOf } from '../usage.ts'

export interface Asked {
  readonly kind: 'open'
  readonly ports: number
}

export type Order =
  | Asked
  | { readonly kind: 'count' }
  | { readonly kind: 'await'; readonly count: number }
  | { readonly kind: 'clear'; readonly stamped: boolean }

export interface Opened {
  readonly ports: readonly number[]
  /** Takes requests and never answers. */
  readonly hanging: number
}

/** What came since it was cleared; times in microseconds of the monotonic clock. */
export interface Counted {
  /** When this was counted. */
  readonly at: number
  readonly count: number
  readonly firstAt: number
  readonly lastAt: number
  /** From the stamp of an event to its whole request. */
  readonly latency: string
}

/** Without anything new for so long, the rest is not waited for. */
const quietMs = 20_000

/** The process of the endpoints. */
export class Receiver {
  readonly #child: ChildProcess

  constructor(releases: Releases) {
    this.#child = fork(new URL('./receiver.ts', import.meta.url), {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const exited = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    releases.add(async () => {
      this.#child.kill()
      await exited
    })
  }

  usage(): Usage {
    return usageOf(this.#child.pid!)
  }

  async open(ports: number): Promise<Opened> {
    return (await this.#ask({ kind: 'open', ports }, 'opened')) as Opened
  }

  async clear(stamped = false): Promise<void> {
    await this.#ask({ kind: 'clear', stamped }, 'counted')
  }

  async count(): Promise<Counted> {
    return (await this.#ask({ kind: 'count' }, 'counted')) as Counted
  }

  /** Resolves once so many came. */
  async reached(count: number): Promise<Counted> {
    let before = -1
    let counted: Counted | undefined
    const reached = this.#ask({ kind: 'await', count }, 'reached').then((found) => {
      counted = found as Counted
    })
    while (counted === undefined) {
      await Promise.race([reached, new Promise((resolve) => setTimeout(resolve, quietMs).unref())])
      if (counted !== undefined) break
      const { count: now } = await this.count()
      if (now === before) throw new Error(`Only ${now} of ${count} deliveries came.`)
      before = now
    }
    return counted
  }

  #ask(order: Order, reply: 'opened' | 'counted' | 'reached'): Promise<unknown> {
    return new Promise((resolve) => {
      const onMessage = (message: Readonly<Record<string, unknown>>): void => {
        if (!(reply in message)) return
        this.#child.off('message', onMessage)
        resolve(message[reply])
      }
      this.#child.on('message', onMessage)
      this.#child.send(order)
    })
  }
}
