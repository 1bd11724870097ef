import { readdir } from 'node:fs/promises'
import { expect } from 'vitest'
import { bench, type Result, tiny } from './bench.ts'

interface Expected {
  readonly broker: string
  readonly gateway: string
  /** What is consumed from: each contender's group of its own, or one for all where the broker has one. */
  readonly groups: readonly string[]
}

/** The gateway over a broker beside its client, in a folder of which nothing is left. */
export async function compares({ broker, gateway, groups }: Expected, folder: string): Promise<void> {
  const words = ['brokers', '--broker', broker, '--quick', ...tiny, '--only', 'full,consume', '--json']
  const { code, stdout, stderr } = await bench([...words, '--auth', '--dir', folder])
  expect(code, stderr).toBe(0)
  const [{ rows, counts }] = (JSON.parse(stdout) as { brokers: [Result] }).brokers
  expect(rows.map(({ server }) => server)).toEqual(['ceiling', gateway, 'client', 'client', 'port', gateway])
  for (const { perSecond, failures } of rows) {
    expect(perSecond).toBeGreaterThan(0)
    expect(failures).toBe(0)
  }
  expect(counts.map(({ server }) => server)).toEqual([gateway, 'client', ...groups])
  for (const { sent, acknowledged, ok } of counts) {
    expect(ok).toBe(true)
    expect(acknowledged).toBe(sent)
  }
  expect(await readdir(folder)).toEqual([])
}
