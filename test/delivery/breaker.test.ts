import { beforeEach, describe, expect, test } from 'vitest'
import { Breaker } from '../../src/delivery/breaker.ts'

const settings = { failureRatio: 0.5, minimum: 10, windowMs: 60_000, cooldownMs: 30_000 }
const start = 1_800_000_000_000
let now = start
let breaker: Breaker

beforeEach(() => {
  now = start
  breaker = new Breaker(settings, () => now)
})

function run(failures: number, successes = 0): void {
  for (let i = 0; i < successes; i++) if (breaker.tryAcquire()) breaker.succeeded()
  for (let i = 0; i < failures; i++) if (breaker.tryAcquire()) breaker.failed()
}

describe('closed', () => {
  test('below the minimum it stays closed, whatever fails; with it, it opens', () => {
    run(9)
    expect([breaker.state, breaker.tryAcquire(), breaker.opensAt]).toEqual(['closed', true, now])
    breaker.failed()
    expect([breaker.state, breaker.tryAcquire(), breaker.opensAt]).toEqual(['open', false, now + 30_000])
  })

  test('it opens when the ratio is reached, not before', () => {
    run(9, 10)
    expect(breaker.state).toBe('closed')
    run(1)
    expect(breaker.state).toBe('open')
  })

  test('a ratio of one asks for nothing but failures', () => {
    breaker = new Breaker({ ...settings, failureRatio: 1 }, () => now)
    run(50, 1)
    expect(breaker.state).toBe('closed')
  })

  test('an aborted attempt counts for nothing', () => {
    for (let i = 0; i < 20; i++) if (breaker.tryAcquire()) breaker.forget()
    run(9)
    expect(breaker.state).toBe('closed')
  })
})

describe('the window', () => {
  test('what is older is forgotten, what is not is not', () => {
    run(9)
    now += 53_000
    run(1)
    expect(breaker.state).toBe('open')

    breaker = new Breaker(settings, () => now)
    run(9)
    now += 60_000
    run(9)
    expect(breaker.state).toBe('closed')
    run(1)
    expect(breaker.state).toBe('open')
  })

  test('it slides: failures one after the other open it only where enough are within it', () => {
    for (let i = 0; i < 100; i++) {
      run(1)
      now += 6_700
    }
    expect(breaker.state).toBe('closed')
    for (let i = 0; i < 12; i++) {
      run(1)
      now += 5_000
    }
    expect(breaker.state).toBe('open')
  })

  test('old failures do not count beside newer successes', () => {
    run(7, 9)
    now += 30_000
    run(0, 10)
    now += 36_000
    run(8)
    expect(breaker.state).toBe('closed')
    run(2)
    expect(breaker.state).toBe('open')
  })

  test('old successes do not hold it closed', () => {
    run(0, 1_000)
    now += 61_000
    run(10)
    expect(breaker.state).toBe('open')
  })

  test('a clock that goes back, or far ahead, neither loses nor keeps too much', () => {
    run(5)
    now -= 3_600_000
    run(1)
    now += 3_600_000
    run(4)
    expect(breaker.state).toBe('open')
    now += 1e12
    run(0, 1)
    run(9)
    expect(breaker.state).toBe('closed')
  })
})

describe('open and half-open', () => {
  beforeEach(() => {
    run(10)
    expect(breaker.state).toBe('open')
  })

  test('the cooldown, to the millisecond', () => {
    now = start + 29_999
    expect([breaker.state, breaker.tryAcquire(), breaker.opensAt]).toEqual(['open', false, start + 30_000])
    now = start + 30_000
    expect([breaker.state, breaker.opensAt, breaker.tryAcquire()]).toEqual(['half-open', now, true])
  })

  test('one probe at a time', () => {
    now += 30_000
    expect([breaker.tryAcquire(), breaker.tryAcquire()]).toEqual([true, false])
    // In the future, or a timer on it would spin.
    expect(breaker.opensAt).toBeGreaterThan(now)
    breaker.forget()
    expect([breaker.opensAt, breaker.tryAcquire(), breaker.tryAcquire()]).toEqual([now, true, false])
  })

  test('a probe that succeeds closes it, with nothing held against the endpoint', () => {
    now += 30_000
    run(0, 1)
    expect([breaker.state, breaker.opensAt]).toEqual(['closed', now])
    run(9)
    expect(breaker.state).toBe('closed')
    run(1)
    expect(breaker.state).toBe('open')
  })

  test('a probe that fails opens it again, for the same time whenever it happens', () => {
    for (let i = 0; i < 5; i++) {
      now += 30_000
      run(1)
      expect([breaker.state, breaker.opensAt]).toEqual(['open', now + 30_000])
    }
  })

  test('what began before it opened changes nothing when it ends after', () => {
    breaker.succeeded()
    breaker.failed()
    breaker.forget()
    expect([breaker.state, breaker.opensAt]).toEqual(['open', start + 30_000])
    now += 30_000
    breaker.succeeded()
    breaker.failed()
    expect([breaker.state, breaker.opensAt]).toEqual(['half-open', now])
  })
})
