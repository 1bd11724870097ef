// npm test [-- [--soak] [suite or file …] [vitest options]]
// A word before the first option names a suite (a folder of test/) or filters files; the rest goes to vitest as it is.
// The last line of the output is "N passed, N failed" over all suites.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Tally } from './test-tally.ts'

const graceMs = 10_000

function vitestArguments(words: readonly string[]): string[] {
  const firstOption = words.findIndex((word) => word.startsWith('-'))
  const split = firstOption < 0 ? words.length : firstOption
  const named = words.slice(0, split).map((word) => (existsSync(join('test', word)) ? `--project=${word}` : word))
  return [...named, ...words.slice(split)]
}

function runVitest(words: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const reporter = process.env.CI ? 'dot' : 'default'
  const reporters = [`--reporter=${reporter}`, '--reporter=./scripts/test-tally.ts']
  const command = ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...vitestArguments(words)]
  // A group of its own, so that ending it also ends the workers and the brokers they started.
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'inherit', 'inherit'], env, detached: true })
  const signalGroup = (signal: NodeJS.Signals): void => {
    try {
      if (child.pid) process.kill(-child.pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      signalGroup(signal)
      setTimeout(() => signalGroup('SIGKILL'), graceMs).unref()
    })
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      signalGroup('SIGKILL')
      resolve(code ?? 1)
    })
  })
}

function printTable(tally: Tally): void {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
  const rows = Object.entries(tally).map(([name, suite]) => [
    name,
    ...[suite.passed, suite.failed, suite.skipped].map(String),
    seconds(suite.ms),
  ])
  for (const [name = '', ...cells] of [['suite', 'passed', 'failed', 'skipped', 'duration'], ...rows]) {
    console.log(name.padEnd(12) + cells.map((cell) => cell.padStart(10)).join(''))
  }
}

const soak = process.argv.includes('--soak')
const words = process.argv.slice(2).filter((word) => word !== '--soak')
const scratch = mkdtempSync(join(tmpdir(), 'sluice-test-'))
const tallyFile = join(scratch, 'tally.json')
const code = await runVitest(words, {
  ...process.env,
  SLUICE_TEST_TALLY: tallyFile,
  SLUICE_SOAK: soak ? '1' : '',
})
const tally: Tally = existsSync(tallyFile) ? JSON.parse(readFileSync(tallyFile, 'utf8')) : {}
rmSync(scratch, { recursive: true })

const sum = (key: 'passed' | 'failed'): number => Object.values(tally).reduce((total, suite) => total + suite[key], 0)
const passed = sum('passed')
let failed = sum('failed')
printTable(tally)
if (failed === 0 && (code !== 0 || passed === 0)) {
  console.log(passed === 0 ? 'No test ran.' : `The tests passed but vitest ended with code ${code}.`)
  failed = 1
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
