import { describe, expect, test } from 'vitest'
import { Ledger, type Published, type ReadEvent } from './ledger.ts'

// The checker of the fault tests is only worth something if it sees each kind of damage.

/** Twelve events of two keys, three of them of one atomic publish, all acknowledged; e5 only after it was sent again. */
function published(): { ledger: Ledger; log: ReadEvent[] } {
  const ledger = new Ledger()
  const log: ReadEvent[] = []
  for (let i = 0; i < 12; i++) {
    const token = `e${i}`
    const one: Published = { token, key: i % 2 === 0 ? 'even' : 'odd', ...(i >= 9 && { atom: 'atom' }) }
    ledger.attempt(one)
    if (i === 5) ledger.attempt(one)
    ledger.acknowledge(token, `id-${i}`, `p-${i}`)
    log.push({ token, id: `id-${i}`, position: `p-${i}` })
  }
  return { ledger, log }
}

function violations(ledger: Ledger, log: readonly ReadEvent[], deduplicated = true): string[] {
  return ledger.check(log, deduplicated).violations.map(({ kind, token }) => `${kind} ${token}`)
}

describe('the ledger', () => {
  test('finds nothing wrong with an intact log, and counts what it compared', () => {
    const { ledger, log } = published()
    ledger.attempt({ token: 'unknown' })
    ledger.attempt({ token: 'refused' })
    ledger.fail('refused')
    const { violations, ...counts } = ledger.check(log, true)
    expect(violations).toEqual([])
    expect(counts).toEqual({ attempted: 14, acknowledged: 12, unknown: 1, repeated: 1, checked: 12 })
  })

  test('allows an unknown outcome to have been stored', () => {
    const { ledger, log } = published()
    ledger.attempt({ token: 'unknown', key: 'even' })
    expect(violations(ledger, [...log, { token: 'unknown', id: 'u', position: 'p-12' }])).toEqual([])
  })

  test('catches a lost event', () => {
    const { ledger, log } = published()
    expect(violations(ledger, log.toSpliced(3, 1))).toEqual(['lost e3'])
  })

  test('catches an event that nobody published', () => {
    const { ledger, log } = published()
    expect(violations(ledger, [...log, { token: 'x', id: 'x', position: 'p-12' }])).toEqual(['unexpected x'])
  })

  test('catches an event that was said to have failed', () => {
    const { ledger, log } = published()
    ledger.attempt({ token: 'refused' })
    ledger.fail('refused')
    const more = [...log, { token: 'refused', id: 'r', position: 'p-12' }]
    expect(violations(ledger, more)).toEqual(['unexpected refused'])
  })

  test('catches a reordered key', () => {
    const { ledger, log } = published()
    const moved = [...log.toSpliced(2, 1), log[2]!]
    expect(violations(ledger, moved)).toEqual(['reordered e2'])
  })

  test('does not mind the order of different keys', () => {
    const { ledger, log } = published()
    const split = [...log.filter((_, i) => i % 2 === 1), ...log.filter((_, i) => i % 2 === 0)]
    expect(violations(ledger, split)).toEqual([])
  })

  test('catches a doubled id inside the window, also where it was published again', () => {
    const { ledger, log } = published()
    expect(violations(ledger, [...log, { ...log[5]!, position: 'p-12' }])).toEqual(['doubled e5'])
  })

  test('without deduplication, allows a double only of what was published again, and with its own id', () => {
    const { ledger, log } = published()
    expect(violations(ledger, [...log, { ...log[5]!, position: 'p-12' }], false)).toEqual([])
    expect(violations(ledger, [...log, { ...log[5]!, id: 'other' }], false)).toEqual(['doubled e5'])
    expect(violations(ledger, [...log, { ...log[4]!, position: 'p-12' }], false)).toEqual(['doubled e4'])
  })

  test('catches half of an atomic publish', () => {
    const { ledger, log } = published()
    ledger.attempt({ token: 'a', atom: 'unanswered' })
    ledger.attempt({ token: 'b', atom: 'unanswered' })
    expect(violations(ledger, [...log, { token: 'b', id: 'b', position: 'p-12' }])).toEqual(['torn unanswered'])
  })

  test('catches another id or another place than was acknowledged', () => {
    const { ledger, log } = published()
    expect(violations(ledger, log.with(7, { ...log[7]!, id: 'other' }))).toEqual(['changed e7'])
    expect(violations(ledger, log.with(7, { ...log[7]!, position: 'p-70' }))).toEqual(['changed e7'])
  })
})
