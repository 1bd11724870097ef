import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach } from 'vitest'

export const packageFolder = resolve(import.meta.dirname, '../..')
export const mainFile = join(packageFolder, 'src/cli/main.ts')

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Buffer
}

/** A program that a test started. It is ended with the test. */
export interface Running {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  readonly ended: Promise<Ended>
  /** Resolves once the output matches. */
  until(pattern: RegExp, stream?: 'stdout' | 'stderr'): Promise<RegExpExecArray>
  stop(signal?: NodeJS.Signals): Promise<Ended>
}

export interface RunningGateway extends Running {
  readonly url: string
}

const running = new Set<Running>()
const folders: string[] = []

afterEach(async () => {
  await Promise.all([...running].map((one) => one.stop('SIGKILL')))
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'))
  folders.push(folder)
  return folder
}

/** The environment of a user, without what this test run has of its own. */
function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { INIT_CWD: _, SLUICE_URL: __, SLUICE_KEY: ___, NODE_OPTIONS: ____, ...rest } = process.env
  return { ...rest, ...more }
}

export function start(command: string, words: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(command, words, { cwd: options.cwd ?? tmpdir(), env: environment(options.env), stdio: 'pipe' })
  const output = { stdout: '', stderr: '' }
  let changed = Promise.withResolvers<void>()
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text
      changed.resolve()
      changed = Promise.withResolvers()
    })
  }
  child.stdin.on('error', () => {})
  child.stdin.end(options.input)
  const ended = once(child, 'close').then(([code]) => {
    running.delete(one)
    changed.resolve()
    return { code: code as number | null, ...output }
  })
  const one: Running = {
    child,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    ended,
    async until(pattern, stream = 'stdout') {
      for (;;) {
        const match = pattern.exec(output[stream])
        if (match !== null) return match
        if (!running.has(one)) throw new Error(`It ended without ${pattern}: ${output.stdout}${output.stderr}`)
        await changed.promise
      }
    },
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    },
  }
  running.add(one)
  return one
}

/** Runs a command of the CLI to its end. */
export function sluice(words: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return start(process.execPath, [mainFile, ...words], options).ended
}

/** Starts `dev` or `serve` on a free port and waits until it listens. */
export async function gateway(words: readonly string[], options: RunOptions = {}): Promise<RunningGateway> {
  const started = start(process.execPath, [mainFile, ...words, '--port', '0', '--json'], options)
  return { ...started, url: await listening(started) }
}

export async function listening(started: Running): Promise<string> {
  const [, line] = await started.until(/^(\{.*\})$/m)
  const { event, url } = JSON.parse(line!) as { event: string; url: string }
  if (event !== 'listening') throw new Error(`It says ${line}`)
  return url
}

export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}
