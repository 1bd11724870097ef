import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DrainGateway } from '../delivery/drain-gateway.ts'
import { scratch, sluice } from './sluice.ts'

interface Finding {
  readonly check: string
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

test('what a start would make of a swap is told, and nothing is changed', { timeout: 120_000 }, async () => {
  const cwd = scratch()
  const gateway = await DrainGateway.create(cwd)
  await gateway.start({ orders: { broker: 'one' }, keyed: { broker: 'one' } })
  await gateway.group('orders').create()
  await gateway.publishAll('orders', ['a'])
  await gateway.stop()

  const check = async (topics: readonly string[]): Promise<Finding[]> => {
    const brokers = ['one', 'two'].map((name) => `  ${name}: { type: embedded, path: ${name}.db }`)
    const lines = ['brokers:', ...brokers, 'store: { type: sqlite, path: store.db }', 'topics:', ...topics]
    writeFileSync(join(cwd, 'sluice.yaml'), `${lines.join('\n')}\n`)
    const { stdout } = await sluice(['check', '-c', 'sluice.yaml'], { cwd })
    const findings = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Finding)
    return findings.filter((finding) => finding.check === 'topic')
  }
  const told = async (line: string) => {
    const [{ ok, detail }] = (await check([`  orders: { ${line} }`])) as [Finding]
    return `${ok} ${detail}`
  }
  expect(await told('broker: two')).toMatch(/^false Topic orders was bound to broker one before.*drainFrom: one/)
  expect(await told('broker: two, drainFrom: two')).toMatch(/^false .*must be one, and it is two/)
  expect(await told('broker: two, abandon: true')).toMatch(/^true .*what broker one has of it is left behind/)
  const moves = await told('broker: two, drainFrom: one')
  expect(moves).toMatch(/^true fits broker two, and moves there: what broker one has of it is consumed first/)
  expect(await told('broker: two, drainFrom: one')).toBe(moves)

  await gateway.start({ orders: { broker: 'two', drainFrom: 'one' }, keyed: { broker: 'one' } })
  await gateway.stop()
  expect(await told('broker: two')).toBe('true fits broker two, and is drained from one')
  expect(await told('broker: two, abandon: true')).toMatch(/^true .*what broker one still has is left behind/)
  expect(await told('broker: one, drainFrom: two')).toMatch(/^false .*still drained from broker one/)
})
