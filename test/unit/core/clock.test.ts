import { describe, expect, test } from 'vitest'
import { type Clock, Ids, systemClock, Timestamps } from '../../../src/core/clock.ts'

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** A clock that stands still until it is set, and whose randomness is one byte over and over. */
function stillClock(now: number, byte: number): Clock & { now: () => number; at: number } {
  const clock = {
    at: now,
    now: () => clock.at,
    random: (bytes: Uint8Array<ArrayBuffer>) => {
      bytes.fill(byte)
    },
  }
  return clock
}

describe('ids', () => {
  test.each([0x00, 0xff, 0x5a])('are UUIDs of version 7, whatever the randomness (%i)', (byte) => {
    const ids = new Ids(stillClock(1_769_860_800_123, byte))
    for (let i = 0; i < 5000; i++) expect(ids.uuid()).toMatch(uuidV7)
  })

  test('begin with the time', () => {
    const id = new Ids(stillClock(0x0123_4567_89ab, 0)).uuid()
    expect(id.slice(0, 13)).toBe('01234567-89ab')
  })

  test('grow with every call, also within a millisecond and when its counter is used up', () => {
    const clock = stillClock(1_769_860_800_000, 0xff)
    const ids = new Ids(clock)
    let last = ''
    for (let i = 0; i < 20_000; i++) {
      if (i % 9000 === 8999) clock.at++
      const id = ids.uuid()
      expect(id > last, `${id} after ${last}`).toBe(true)
      last = id
    }
  })

  test('grow when the clock goes back', () => {
    const clock = stillClock(1_769_860_800_000, 1)
    const ids = new Ids(clock)
    const before = ids.uuid()
    clock.at -= 60_000
    expect(ids.uuid() > before).toBe(true)
  })

  test('of one process never repeat, and are random where they must be', () => {
    const ids = new Ids(systemClock)
    const made = Array.from({ length: 10_000 }, () => ids.uuid())
    expect(new Set(made).size).toBe(made.length)
    expect(new Set(made.map((id) => id.slice(19))).size).toBe(made.length)
  })
})

test('times are RFC 3339 in UTC with milliseconds', () => {
  const timestamps = new Timestamps()
  expect(timestamps.format(0)).toBe('1970-01-01T00:00:00.000Z')
  expect(timestamps.format(1_769_860_800_125)).toBe('2026-01-31T12:00:00.125Z')
  expect(timestamps.format(1_769_860_800_125)).toBe('2026-01-31T12:00:00.125Z')
  expect(timestamps.format(1_769_860_800_126)).toBe('2026-01-31T12:00:00.126Z')
})
