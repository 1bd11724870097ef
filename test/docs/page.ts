import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '../brokers/services/ports.ts'

/** A fenced block of a page: a command, what it prints, a file, or something to look at. */
export interface Block {
  /** The first word after the fence. */
  readonly language: string
  /** The rest of the line: `server`, `broker` or `beside` for a command that goes on running, `file=NAME` for a file. */
  readonly note: string
  readonly text: string
  readonly line: number
}

export function blocksOf(file: string): Block[] {
  const blocks: Block[] = []
  let open: { language: string; note: string; line: number; text: string[] } | undefined
  for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    const fence = /^```(\S*)\s*(.*)$/.exec(line)
    if (fence === null) open?.text.push(line)
    else if (open === undefined) open = { language: fence[1] ?? '', note: fence[2] ?? '', line: index + 1, text: [] }
    else {
      blocks.push({ ...open, text: open.text.join('\n') })
      open = undefined
    }
  }
  return blocks
}

/** Where an entry of the package has its source: the pages name it as those do who have installed it. */
function sourceOf(entry: string): string {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, { default: string } | undefined>
  }
  const built = manifest.exports[`./${entry}`]?.default
  if (built === undefined) throw new Error(`The package has no entry sluice/${entry}.`)
  return join(root, built.replace('./dist/', '').replace(/\.js$/, '.ts'))
}

export const root = join(import.meta.dirname, '../..')
const main = join(root, 'src/cli/main.ts')

/** What `npm run brokers -- NAME --json` says of the broker that runs. */
type Started =
  | { service: 'kafka'; bootstrap: readonly [string] }
  | { service: 'rabbitmq'; url: string }
  | { service: 'sqs'; topics: string }
  | { service: 'nats'; servers: readonly [string] }

function addressIn(started: Started): [shown: string, real: string] {
  if (started.service === 'kafka') return ['127.0.0.1:9092', started.bootstrap[0]]
  if (started.service === 'sqs') return ['127.0.0.1:4566', new URL(started.topics).host]
  if (started.service === 'nats') return ['127.0.0.1:4222', new URL(started.servers[0]).host]
  return ['127.0.0.1:5672', new URL(started.url).host]
}

/** Runs the commands of a page as a reader would: one shell, one folder, one gateway after the other. */
export class Reader {
  readonly #folder: string
  #server: ChildProcess | undefined
  #broker: ChildProcess | undefined
  /** The broker of the page: its address with the standard port, and where it really listens. */
  #brokerAddress: readonly [shown: string, real: string] | undefined
  /** What the page calls 127.0.0.1:8080, and where the gateway really listens. */
  #address = '127.0.0.1:8080'
  /** The reader's own endpoints: what the page calls them, and where they may listen here. */
  readonly #endpoints = new Map<string, string>()
  readonly #beside: ChildProcess[] = []
  readonly #variables = '.reader-variables'

  constructor(folder: string) {
    this.#folder = folder
  }

  async writeFile(name: string, text: string): Promise<void> {
    await writeFile(
      join(this.#folder, name),
      `${this.#here(text).replace(/'sluice\/([\w/]+)'/g, (_, entry) => `'${sourceOf(entry)}'`)}\n`,
    )
  }

  /** Starts a command that goes on running; resolves when it listens. */
  async serve(command: string): Promise<void> {
    await end(this.#server)
    const words = command.replace(/^npm start( --)?/, 'sluice dev').replace(/^sluice /, '')
    const script = `${this.#prelude()}\nexec node '${main}' ${words} --port 0 --json`
    const child = spawn('bash', ['-c', script], {
      cwd: this.#folder,
      env: this.#env(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#server = child
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    for await (const line of createInterface({ input: child.stdout })) {
      const { event, url } = JSON.parse(line) as { event: string; url: string }
      if (event === 'listening') {
        this.#address = url.replace('http://', '')
        child.stdout.resume()
        return
      }
    }
    throw new Error(`${command} ended before it listened:\n${errors}`)
  }

  /** Runs a block in one shell; what it prints on both channels, with the address as the page has it. */
  async run(commands: string): Promise<{ code: number; output: string }> {
    const script = `${this.#prelude()}\n${this.#here(commands)}\nstatus=$?\ndeclare -p > '${this.#variables}' 2>/dev/null\nexit $status`
    const child = spawn('bash', ['-c', script], {
      cwd: this.#folder,
      env: this.#env(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    const code = await new Promise<number>((resolve) => child.on('close', (status) => resolve(status ?? 1)))
    output = output.replaceAll(this.#address, '127.0.0.1:8080')
    for (const [shown, real] of this.#endpoints) output = output.replaceAll(real, shown)
    return { code, output }
  }

  /** Starts what a reader leaves running in a terminal of its own; resolves at its first line. */
  async runBeside(command: string): Promise<void> {
    if (this.#endpoints.size === 0) {
      for (const shown of ['127.0.0.1:3000', '127.0.0.1:3001', '127.0.0.1:4318']) {
        this.#endpoints.set(shown, `127.0.0.1:${await freePort()}`)
      }
    }
    const child = spawn('bash', ['-c', `${this.#prelude()}\n${this.#here(command)}`], {
      cwd: this.#folder,
      env: this.#env(),
      // A group of its own, so that all of a pipeline can be ended.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#beside.push(child)
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    for await (const _ of createInterface({ input: child.stdout })) {
      child.stdout.resume()
      return
    }
    throw new Error(`${command} ended before it said anything:\n${errors}`)
  }

  /** Starts a broker as the page says, by `npm run brokers -- NAME`; resolves when it can be used. */
  async startBroker(command: string): Promise<void> {
    const words = command
      .trim()
      .replace(/^npm run brokers -- /, '')
      .split(' ')
    const script = [join(root, 'scripts/brokers.ts'), ...words, '--json']
    const child = spawn(process.execPath, script, { env: this.#env(), stdio: ['ignore', 'pipe', 'pipe'] })
    this.#broker = child
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    for await (const line of createInterface({ input: child.stdout })) {
      this.#brokerAddress = addressIn(JSON.parse(line) as Started)
      child.stdout.resume()
      return
    }
    throw new Error(`${command} ended before it was ready:\n${errors}`)
  }

  /** Ends what goes on running. */
  async stop(): Promise<void> {
    for (const child of this.#beside.splice(0)) await end(child, -child.pid!)
    await end(this.#server)
    await end(this.#broker)
    this.#server = undefined
    this.#broker = undefined
  }

  #here(text: string): string {
    let here = text.replaceAll('127.0.0.1:8080', this.#address)
    if (this.#brokerAddress !== undefined) here = here.replaceAll(...this.#brokerAddress)
    for (const [shown, real] of this.#endpoints) here = here.replaceAll(shown, real)
    return here
  }

  /** `sluice` is what the README says it stands for; variables live on from block to block, as in a reader's shell. */
  #prelude(): string {
    const restore = `[ -f '${this.#variables}' ] && . './${this.#variables}' 2>/dev/null`
    return `${restore}\nset -o pipefail\nexport SLUICE_URL='http://${this.#address}'\nsluice() { node '${main}' "$@"; }`
  }

  #env(): NodeJS.ProcessEnv {
    const { INIT_CWD: _, ...env } = process.env
    const path = `${join(process.execPath, '..')}:${process.env.PATH ?? ''}`
    return { ...env, PATH: path, NO_COLOR: '1' }
  }
}

async function end(child: ChildProcess | undefined, pid = child?.pid): Promise<void> {
  if (child === undefined || child.exitCode !== null) return
  const ended = new Promise((resolve) => child.on('close', resolve))
  process.kill(pid!, 'SIGTERM')
  await ended
}

/** Whether the output is what the page says; `…` stands for anything. */
export function matches(expected: string, output: string): boolean {
  const tidy = (text: string): string => text.trimEnd().replace(/[ \t]+$/gm, '')
  const pattern = tidy(expected)
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[\\s\\S]*?')
  return new RegExp(`^${pattern}$`).test(tidy(output))
}
