import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'

const main = resolve(import.meta.dirname, '../../src/cli/main.ts')
/** Against hanging: a start takes seconds. */
const startMs = 60_000

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** `sluice serve` as a process of its own, with the configuration of its folder. `preloads` are modules that run before it. */
export class Serving {
  readonly #child: ChildProcess
  readonly #output = { stdout: '', stderr: '' }
  readonly #ended: Promise<Ended>
  readonly #listening: Promise<string>

  constructor(folder: string, preloads: readonly string[] = []) {
    const environment = Object.entries(process.env).filter(([name]) => !/^(SLUICE_|NODE_OPTIONS$|INIT_CWD$)/.test(name))
    const imports = preloads.flatMap((module) => ['--import', module])
    const words = [...imports, main, 'serve', '-c', 'sluice.yaml', '--port', '0', '--json']
    const child = spawn(process.execPath, words, {
      cwd: folder,
      env: Object.fromEntries(environment),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#output.stderr += text
    })
    this.#ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...this.#output }))
    this.#listening = new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`No gateway: ${this.#output.stderr}`)), startMs)
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.#output.stdout += `${line}\n`
        const { event, url } = JSON.parse(line) as { event?: string; url?: string }
        if (event === 'listening' && url !== undefined) resolve(url)
      })
      this.#ended.then(({ code, stderr }) => {
        clearTimeout(late)
        reject(new Error(`The gateway ended with ${code}: ${stderr}`))
      }, reject)
    })
    this.#listening.catch(() => undefined)
  }

  /** The address, once it accepts requests. */
  get url(): Promise<string> {
    return this.#listening
  }

  /** How it ended, where it ends by itself. */
  get ended(): Promise<Ended> {
    return this.#ended
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<Ended> {
    this.#child.kill(signal)
    return this.#ended
  }
}
