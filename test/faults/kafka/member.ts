import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { until } from '../../conformance/waiting.ts'
import { sharedClock, type WorkerReport, type WorkerTask } from './report.ts'

const worker = fileURLToPath(new URL('./worker.ts', import.meta.url))
/** Against hanging: a start takes a second or two, and a join the session of whoever was killed. */
const waitMs = 60_000

/** A worker, running, and everything that it reported. */
export class Member {
  readonly name: string
  readonly reports: WorkerReport[] = []
  /** When it was first killed or stopped: what it held from then on may come to others. */
  hurtAt: number | undefined
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #isOver = false
  #errors = ''

  /** Starts the process, which is no member yet. */
  constructor(name: string) {
    this.name = name
    const words = ['--disable-warning=ExperimentalWarning', worker]
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    this.#child = child
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = `${this.#errors}${text}`.slice(-4000)
    })
    createInterface({ input: child.stdout! }).on('line', (line) => this.reports.push(JSON.parse(line) as WorkerReport))
    this.#ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => {
        this.#isOver = true
        if (code === 0 || (this.hurtAt !== undefined && signal === 'SIGKILL')) resolve()
        else reject(new Error(`${name} ended with ${code ?? signal}: ${this.#errors}`))
      })
    })
    this.#ended.catch(() => undefined)
  }

  /** Waits until what it reported satisfies `holds`. Rejects where it ends by a defect of its own. */
  async until(what: string, holds: (reports: readonly WorkerReport[]) => boolean): Promise<void> {
    await until(waitMs, `${this.name} ${what}`, async () => {
      if (this.#isOver) await this.#ended
      return holds(this.reports)
    })
  }

  enter(task: WorkerTask): void {
    this.#child.send(task)
  }

  joined(): Promise<void> {
    return this.until('joins', (reports) => reports.some(({ event }) => event === 'joined'))
  }

  count(event: WorkerReport['event']): number {
    return this.reports.filter((report) => report.event === event).length
  }

  /** How many deliveries it has not been answered for. */
  get inHand(): number {
    return this.count('received') - this.count('settled')
  }

  /** Whether it was told that something is settled which it got after `at`. */
  settledSince(at: number): boolean {
    const got = new Set(this.reports.flatMap((one) => (one.event === 'received' && one.at > at ? [one.position] : [])))
    return this.reports.some((one) => one.event === 'settled' && one.error === undefined && got.has(one.position))
  }

  /** Lets it settle what it holds back. */
  release(): void {
    this.#child.send('release')
  }

  /** It finishes what it has in hand and ends by itself. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    await until(waitMs, `${this.name} ends`, async () => this.#isOver)
    await this.#ended
  }

  async kill(): Promise<void> {
    this.hurtAt ??= sharedClock()
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** Resolves when it stands still: a signal only asks for it. */
  async pause(): Promise<void> {
    this.hurtAt ??= sharedClock()
    this.#child.kill('SIGSTOP')
    await until(waitMs, `${this.name} stands still`, async () => {
      const status = await readFile(`/proc/${this.#child.pid}/stat`, 'utf8').catch(() => '0 (node) T')
      return status[status.lastIndexOf(')') + 2] === 'T'
    })
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  /** Ends it, whatever it does. */
  async remove(): Promise<void> {
    if (!this.#isOver) await this.kill().catch(() => undefined)
  }
}
