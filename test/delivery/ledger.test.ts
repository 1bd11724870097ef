import { expect, test } from 'vitest'
import { seedOfRun } from '../conformance/random.ts'
import type { Row } from './faults/api.ts'
import { type Account, Checker } from './faults/check.ts'
import type { Control } from './faults/controls.ts'
import type { Seen } from './faults/endpoints.ts'
import { killWhileDelivering } from './faults/kill-run.ts'
import type { Made } from './faults/load.ts'
import { redriveUnderKills } from './faults/redrive-run.ts'

// The checker is checked: gateways that are wrong on purpose, and books that do not add up.

const timeout = 300_000

async function kindsOf(control: Control, points: Parameters<typeof killWhileDelivering>[0]['points']) {
  const report = await killWhileDelivering({ seed: seedOfRun(), store: 'sqlite', broker: 'embedded', points, control })
  console.log(report.line)
  return new Set(report.violations.map(({ kind }) => kind))
}

test('an event that is settled before its rows are written is missed after a kill', { timeout }, async () => {
  expect(await kindsOf('settles-first', ['after-settle', 'after-settle'])).toContain('missing')
})

test('a claim that two get is noticed', { timeout }, async () => {
  expect(await kindsOf('claims-twice', [])).toContain('doubled')
})

test('an attempt that is noted by whoever lost the claim is noticed', { timeout }, async () => {
  expect(await kindsOf('finishes-unasked', [])).toContain('doubled')
})

test('a redrive that is carried out twice is noticed', { timeout }, async () => {
  const { wrong, line } = await redriveUnderKills({
    seed: seedOfRun(),
    store: 'sqlite',
    points: [],
    control: 'redrives-twice',
  })
  console.log(line)
  expect(wrong.length).toBeGreaterThan(0)
})

const made: Made = { id: 'a', key: 'k', place: 0, type: 'load.made', acknowledged: true }
const next: Made = { ...made, id: 'b', place: 1 }

function seen(change: Partial<Seen> = {}): Seen {
  const one = { path: '/p', delivery: 'dlv_a', attempt: 1, replay: undefined, event: 'a', key: 'k', at: 10 }
  return { ...one, status: 200, answeredAt: 11, ...change }
}

function row(status: Row['status'], change: Partial<Row> = {}): Row {
  return { id: 'dlv_a', subscription: 's', event: { id: 'a' }, status, attempts: 1, ...change }
}

function kinds(
  account: Partial<Account>,
  events: readonly Made[] = [made],
  disturbed: readonly number[] = [],
): string[] {
  const checker = new Checker(
    new Map(events.map((one) => [one.id, one])),
    disturbed.map((at) => ({ from: at, to: at })),
  )
  checker.check({ path: '/p', wants: () => true, ordered: false, seen: [], rows: [], ...account })
  return checker.violations.map(({ kind }) => kind)
}

test('books that add up are left alone', () => {
  expect(kinds({ seen: [seen()] })).toEqual([])
  expect(kinds({ seen: [seen({ status: 500 }), seen({ attempt: 2 })], rows: [row('succeeded')] })).toEqual([])
  expect(kinds({ rows: [row('dead')], seen: [seen({ status: 500 })], deadAfter: 1 })).toEqual([])
  expect(kinds({ rows: [row('discarded')] })).toEqual([])
  expect(kinds({ wants: () => false })).toEqual([])
  expect(kinds({}, [{ ...made, acknowledged: false }])).toEqual([])
  const again = [seen(), seen({ at: 30, answeredAt: 31 })]
  expect(kinds({ seen: again }, [made], [20])).toEqual([])
})

test('books that do not add up are told, each for what it is', () => {
  expect(kinds({})).toEqual(['missing'])
  expect(kinds({ rows: [row('succeeded')] })).toEqual(['missing'])
  expect(kinds({ seen: [seen({ status: 500 })] })).toEqual(['missing'])
  expect(kinds({ rows: [row('parked')] })).toEqual(['pending'])
  expect(kinds({ rows: [row('dead')], seen: [seen()] })).toEqual(['undead'])
  expect(kinds({ rows: [row('dead')], deadAfter: 3 })).toEqual(['undead'])
  expect(kinds({ seen: [seen()], wants: () => false })).toEqual(['unexpected'])
  expect(kinds({ seen: [seen({ event: 'z' })] }, [])).toEqual(['unexpected'])
  expect(kinds({ seen: [seen(), seen({ at: 30, answeredAt: 31 })] })).toEqual(['doubled'])
  expect(kinds({ seen: [seen(), seen({ attempt: 2, at: 30, answeredAt: 31 })] })).toEqual(['doubled'])
  expect(kinds({ seen: [seen({ status: 500 }), seen({ attempt: 2, delivery: 'dlv_z' })] })).toEqual(['changed'])
})

test('whoever comes before an earlier one of its key was taken is out of order', () => {
  const late = seen({ event: 'b', delivery: 'dlv_b', at: 12, answeredAt: 13 })
  expect(kinds({ seen: [seen(), late], ordered: true }, [made, next])).toEqual([])
  expect(kinds({ seen: [late, seen({ at: 20, answeredAt: 21 })], ordered: true }, [made, next])).toEqual(['reordered'])
  expect(kinds({ seen: [seen({ answeredAt: 20 }), late], ordered: true }, [made, next])).toEqual(['reordered'])
  const dead = { seen: [seen({ status: 500 }), late], rows: [row('dead')], ordered: true }
  expect(kinds(dead, [made, next])).toEqual([])
})
