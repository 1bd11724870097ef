import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

// The shell becomes the program, and beside it, in the same process group, stays one that waits for a line. Where this
// process ends without having sent one, however it ended, that one ends the program and removes the folder. The group
// keeps the program's number from being given to another.
const guarded = `{ read -r _ || { kill -9 $$; rm -rf "$0"; rmdir "$(dirname "$0")"; }; } <&3 3<&- >/dev/null 2>&1 &
exec "$@" 3<&-`

/** A program that serves until it is ended, and that does not outlive this process. */
export class Jvm {
  readonly #child: ChildProcess
  readonly #gone: Promise<unknown>
  #output = ''

  /** `folder` is removed when this process ends without ending the program. */
  constructor(folder: string, command: readonly string[]) {
    const stdio = ['ignore', 'pipe', 'pipe', 'pipe'] as const
    this.#child = spawn('sh', ['-c', guarded, folder, ...command], { stdio: [...stdio], detached: true })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#keep(text))
    // Not its standard input, which Node closes before it says that the program has ended.
    const guard = this.#child.stdio[3] as Writable
    guard.on('error', () => undefined)
    this.#gone = once(this.#child, 'exit').finally(() => guard.end('\n'))
    this.#gone.catch(() => undefined)
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  get pid(): number | undefined {
    return this.running ? this.#child.pid : undefined
  }

  get output(): string {
    return this.#output
  }

  #keep(text: string): void {
    this.#output = `${this.#output}${text}`.slice(-8000)
  }

  /** Resolves at a line that contains `words`; an Error with the end of the output where the program ends before. */
  async line(words: string, deadlineMs: number): Promise<void> {
    const heard = Promise.withResolvers<void>()
    const lines = createInterface({ input: this.#child.stdout! })
    lines.on('line', (line) => {
      this.#keep(`${line}\n`)
      if (line.includes(words)) heard.resolve()
    })
    const timer = setTimeout(() => heard.reject(this.#error(`nothing after ${deadlineMs} ms`)), deadlineMs)
    const ended = (): void => heard.reject(this.#error('ended'))
    this.#gone.then(ended, ended)
    await heard.promise.finally(() => clearTimeout(timer))
  }

  #error(what: string): Error {
    return new Error(`No broker, ${what}: ${this.#output.slice(-4000)}`)
  }

  /** Sends a signal and resolves when the program is gone, or rejects after the deadline. */
  async end(signal: NodeJS.Signals, deadlineMs: number): Promise<void> {
    if (!this.running) return
    this.#child.kill(signal)
    const waiting = new AbortController()
    const late = sleep(deadlineMs, true, { signal: waiting.signal }).catch(() => false)
    const isLate = await Promise.race([late, this.#gone.then(() => false)])
    waiting.abort()
    if (isLate) throw new Error(`Not ended by ${signal} after ${deadlineMs} ms: ${this.#output.slice(-4000)}`)
  }

  /** Resolves when the program stands still: a signal only asks for it. */
  async pause(): Promise<void> {
    this.#child.kill('SIGSTOP')
    while (this.running && (await this.#state()) !== 'T') await sleep(1)
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  /** The letter that Linux has for it; elsewhere a signal is taken to have worked. */
  async #state(): Promise<string> {
    const status = await readFile(`/proc/${this.#child.pid}/stat`, 'utf8').catch(() => '0 (java) T')
    return status.slice(status.lastIndexOf(')') + 2)[0] ?? 'T'
  }
}
