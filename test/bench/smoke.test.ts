import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bench, type Result, root, tiny } from './bench.ts'
import { compares } from './compares.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-bench-test-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

// Whether it works, never how fast: figures of a busy machine mean nothing.
describe('bench', { timeout: 240_000 }, () => {
  test('publish measures ceiling and gateway, counts the log, and leaves nothing behind', async () => {
    const words = ['publish', '--quick', ...tiny, '--only', 'closed,ndjson', '--json', '--dir', folder]
    const { code, stdout, stderr } = await bench([...words, '--auth'])
    expect(code, stderr).toBe(0)
    const { rows, counts, targets } = JSON.parse(stdout) as Result
    const settings = ['1 connection', '16 connections', '64 connections', '256 connections']
    for (const setting of [...settings, '4 streams']) {
      const found = rows.filter((row) => row.setting === setting)
      expect(found.map(({ server }) => server)).toEqual(['ceiling', 'memory', 'durable'])
      for (const row of found) {
        expect(row.perSecond).toBeGreaterThan(0)
        expect(row.failures).toBe(0)
      }
    }
    expect(counts).toHaveLength(2)
    for (const { sent, acknowledged, stored, ok } of counts) {
      expect(ok).toBe(true)
      expect(acknowledged).toBeGreaterThan(0)
      expect(stored).toBeGreaterThanOrEqual(acknowledged)
      expect(stored).toBeLessThanOrEqual(sent)
    }
    expect(targets.length).toBeGreaterThan(0)
    expect(await readdir(folder)).toEqual([])
  })

  // The others are in the soak.
  test('brokers compares NATS to its client, and counts what is stored and what is left', () =>
    compares({ broker: 'nats', gateway: 'nats', groups: ['client', 'port', 'http'] }, folder))

  test('memory shows a series', async () => {
    const { code, stdout, stderr } = await bench([
      'memory',
      '--minutes',
      '0.06',
      '--server',
      'durable',
      '--dir',
      folder,
    ])
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(/resident MB, the most of each 15 s: \d+/)
    expect(stdout).toContain('last minute over the second')
  })

  test('an interrupt ends the servers and removes their data', async () => {
    const args = ['bench/main.ts', 'publish', '--only', 'closed', '--rounds', '99', '--seconds', '0.1', '--dir', folder]
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    // The first line of progress: all servers run.
    await new Promise<void>((resolve) =>
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        if (text.includes('cycle 1')) resolve()
      }),
    )
    expect(await readdir(folder)).toHaveLength(3)
    child.kill('SIGINT')
    expect(await ended).toBe(130)
    expect(await readdir(folder)).toEqual([])
  })

  test('says in one line what it does not know', async () => {
    const { code, stdout, stderr } = await bench(['publish', '--only', 'everything'])
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toBe('--only knows closed, open, ndjson, batch, read, start, not everything.\n')
  })
})
