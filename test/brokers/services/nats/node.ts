import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Jvm } from '../kafka/jvm.ts'

/** Against hanging: a start takes a tenth of a second, or as long as an election. */
const startMs = 30_000
const stopMs = 10_000
const pollMs = 20

export interface Ports {
  readonly client: number
  readonly websocket: number
  readonly monitor: number
  readonly route: number
}

/** One server: a process that can be ended and started again on its data and ports. */
export class NatsNode {
  readonly name: string
  readonly ports: Ports
  readonly folder: string
  readonly #program: string
  #process: Jvm | undefined
  #paused = false

  constructor(name: string, ports: Ports, folder: string, program: string) {
    this.name = name
    this.ports = ports
    this.folder = folder
    this.#program = program
  }

  get url(): string {
    return `nats://127.0.0.1:${this.ports.client}`
  }

  get running(): boolean {
    return this.#process?.running ?? false
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  get paused(): boolean {
    return this.running && this.#paused
  }

  /** The end of what the process has written. */
  get output(): string {
    return this.#process?.output ?? ''
  }

  async configure(text: string): Promise<void> {
    await mkdir(this.folder, { recursive: true })
    await writeFile(this.#file, text)
  }

  get #file(): string {
    return join(this.folder, 'nats.conf')
  }

  /** Resolves when it accepts clients; `ready` says when JetStream has caught up with the others. */
  async start(): Promise<void> {
    if (this.running) throw new Error(`${this.name} runs already`)
    this.#paused = false
    // It writes its lines where errors go.
    this.#process = new Jvm(this.folder, ['sh', '-c', 'exec "$@" 2>&1', 'sh', this.#program, '-c', this.#file])
    await this.#process.line('Server is ready', startMs)
  }

  /** Resolves once the server says that all of it is well. */
  async ready(): Promise<void> {
    const end = Date.now() + startMs
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${this.ports.monitor}/healthz`).catch(() => undefined)
      if (answer?.ok) return
      if (Date.now() > end)
        throw new Error(`${this.name} is not well: ${await answer?.text()} ${this.output.slice(-2000)}`)
      await sleep(pollMs)
    }
  }

  /** Ends the process by a signal that it cannot answer. */
  async kill(): Promise<void> {
    await this.#process?.end('SIGKILL', stopMs)
  }

  /** Ends the process as an operator would. */
  async stop(): Promise<void> {
    if (this.paused) this.resume()
    await this.#process?.end('SIGTERM', stopMs)
  }

  /** The process stands still, and its connections stay open. */
  async pause(): Promise<void> {
    await this.#process?.pause()
    this.#paused = true
  }

  resume(): void {
    this.#process?.resume()
    this.#paused = false
  }

  /** Ends the process and removes the data. */
  async remove(): Promise<void> {
    await this.kill()
    await rm(this.folder, { recursive: true, force: true })
  }
}
