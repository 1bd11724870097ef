import { beforeEach, describe, expect, test } from 'vitest'
import { Bucket } from '../../src/delivery/bucket.ts'
import type { Rates } from '../../src/store/rates.ts'

const start = 1_800_000_000_000
let now = start
let rates: TrueRates

/** One true bucket for each name, filled by the clock of whoever asks. */
class TrueRates implements Rates {
  readonly #levels = new Map<string, { tokens: number; at: number }>()
  readonly asked: number[] = []
  failing = false

  async take(name: string, wanted: number, perSecond: number, at: number) {
    this.asked.push(wanted)
    if (this.failing) throw new Error('The store is away.')
    const most = Math.max(1, perSecond)
    const level = this.#levels.get(name) ?? { tokens: most, at }
    level.tokens = Math.min(most, level.tokens + ((at - level.at) * perSecond) / 1000)
    level.at = at
    this.#levels.set(name, level)
    const granted = Math.min(wanted, Math.floor(level.tokens + 1e-9))
    level.tokens -= granted
    return { granted, retryAfterMs: granted > 0 ? 0 : Math.ceil(((1 - level.tokens) * 1000) / perSecond) }
  }
}

beforeEach(() => {
  now = start
  rates = new TrueRates()
})

function bucketOf(perSecond: number): Bucket {
  return new Bucket(rates, 'lane', perSecond, () => now)
}

/** Until everything that the in-memory store can answer has been heard. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve()
}

function takeAll(bucket: Bucket, most = Number.POSITIVE_INFINITY): number {
  let taken = 0
  while (taken < most && bucket.tryTake()) taken++
  return taken
}

describe('all replicas together keep to the rate', () => {
  test.each([
    [0.1, 400_000, 100],
    [1, 60_000, 20],
    [3.9, 60_000, 5],
    [50, 20_000, 1],
    [10_000, 10_000, 1],
  ])('%d/s by two', async (perSecond, lastsMs, stepMs) => {
    const buckets = [bucketOf(perSecond), bucketOf(perSecond)]
    const taken = [0, 0]
    for (; now < start + lastsMs; now += stepMs) {
      for (const [i, bucket] of buckets.entries()) taken[i]! += takeAll(bucket)
      await settled()
    }
    const wanted = (perSecond * lastsMs) / 1000
    const total = taken[0]! + taken[1]!
    expect(total).toBeGreaterThanOrEqual(wanted * 0.8)
    expect(total).toBeLessThanOrEqual(wanted * 1.2)
    // The store is asked some times a second by each, however many attempts there are: for a chunk, and once more in vain.
    const seconds = lastsMs / 1000
    expect(rates.asked.length).toBeLessThanOrEqual(2 * Math.min(10 * seconds, 4 + 2 * wanted))
  })

  test('one alone gets all of it', async () => {
    const busy = bucketOf(1_000)
    const idle = bucketOf(1_000)
    idle.tryTake()
    let taken = 0
    for (; now < start + 10_000; now++) {
      taken += takeAll(busy)
      await settled()
    }
    expect(taken).toBeGreaterThanOrEqual(10_000)
    expect(taken).toBeLessThanOrEqual(11_000)
  })
})

test('below the rate nobody waits for the store', async () => {
  const bucket = bucketOf(1_000)
  bucket.tryTake()
  await settled()
  for (let i = 0; i < 5_000; i++) {
    expect(bucket.tryTake()).toBe(true)
    now += 2
    await settled()
  }
})

test('not even for one that takes a tenth of a second', async () => {
  const answers: { at: number; answer: () => void }[] = []
  const slow: Rates = {
    async take(...wanted) {
      await new Promise<void>((answer) => answers.push({ at: now + 100, answer }))
      return rates.take(...wanted)
    },
  }
  const bucket = new Bucket(slow, 'lane', 1_000, () => now)
  const taken: boolean[] = []
  for (; now < start + 5_000; now += 2) {
    taken.push(bucket.tryTake())
    while (answers.length > 0 && answers[0]!.at <= now) answers.shift()?.answer()
    await settled()
  }
  // Only until the first answer.
  expect(taken.lastIndexOf(false)).toBe(50)
})

test('a slow rate holds nothing in reserve, so that replicas do not hoard', async () => {
  const bucket = bucketOf(0.1)
  expect(bucket.tryTake()).toBe(false)
  await settled()
  expect(bucket.tryTake()).toBe(true)
  await settled()
  expect(rates.asked).toEqual([1])
})

test('a driver with nothing but a timer and the callback gets every token when it is due', async () => {
  const bucket = bucketOf(0.5)
  const times: number[] = []
  const drive = () => {
    while (bucket.tryTake()) times.push(now - start)
  }
  bucket.onRefill(drive)
  drive()
  await settled()
  while (now < start + 10_000) {
    expect(bucket.retryAt).toBeGreaterThan(now)
    now = bucket.retryAt
    drive()
    await settled()
  }
  expect(times).toEqual([0, 2_000, 4_000, 6_000, 8_000, 10_000])
})

test('retryAt is now where there are tokens, and never now where there are none', async () => {
  const bucket = bucketOf(100)
  expect(bucket.retryAt).toBe(now)
  expect(bucket.tryTake()).toBe(false)
  expect(bucket.retryAt).toBeGreaterThan(now)
  await settled()
  expect(bucket.retryAt).toBe(now)
  for (let i = 0; i < 20; i++) {
    takeAll(bucket)
    await settled()
  }
  expect(bucket.tryTake()).toBe(false)
  expect(bucket.retryAt).toBeGreaterThan(now)
  expect(bucket.retryAt).toBeLessThanOrEqual(now + 250)
})

test('the callback is heard whatever came of asking, and only the last one', async () => {
  const bucket = bucketOf(1)
  let first = 0
  let heard = 0
  bucket.onRefill(() => first++)
  bucket.onRefill(() => heard++)
  bucket.tryTake()
  await settled()
  expect(heard).toBe(1)
  bucket.tryTake()
  bucket.tryTake()
  await settled()
  expect(heard).toBe(2)
  rates.failing = true
  now = bucket.retryAt
  bucket.tryTake()
  await settled()
  expect([first, heard]).toEqual([0, 3])
})

describe('a store that fails', () => {
  test('means no tokens, and is asked once a second', async () => {
    rates.failing = true
    const bucket = bucketOf(10_000)
    for (; now < start + 10_000; now += 5) {
      expect(bucket.tryTake()).toBe(false)
      await settled()
    }
    expect(rates.asked).toHaveLength(10)
    rates.failing = false
    now = bucket.retryAt
    bucket.tryTake()
    await settled()
    expect(bucket.tryTake()).toBe(true)
  })

  test('one that never answers is not asked again, and gives nothing', async () => {
    let asked = 0
    const silent: Rates = {
      take() {
        asked++
        return new Promise(() => {})
      },
    }
    const bucket = new Bucket(silent, 'lane', 100, () => now)
    for (; now < start + 60_000; now += 100) expect(bucket.tryTake()).toBe(false)
    expect(asked).toBe(1)
  })

  test('what was granted before is not lost', async () => {
    const bucket = bucketOf(100)
    bucket.tryTake()
    await settled()
    rates.failing = true
    expect(takeAll(bucket)).toBe(25)
    await settled()
    expect(takeAll(bucket)).toBe(0)
  })
})
