import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DeliveryStatus } from '../../src/core/delivery.ts'
import type { NewDelivery } from '../../src/store/deliveries.ts'
import type { Store } from '../../src/store/store.ts'
import { aRow, databases, endedRow, type StoreStage, storeStage, subscribed } from './store-stage.ts'

interface Modelled {
  readonly row: NewDelivery
  readonly place: number
  status: DeliveryStatus
  at: number
  token: string | undefined
}

const ended = ['succeeded', 'dead', 'discarded'] as const

/** Numbers that look random, and are the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** What a store should hold, in the simplest words. */
class Model {
  readonly rows = new Map<string, Modelled>()

  of(subscription: string): Modelled[] {
    return [...this.rows.values()].filter(({ row }) => row.subscription === subscription)
  }

  pendingOf(subscription: string): Modelled[] {
    return this.of(subscription).filter(({ status }) => status === 'parked' || status === 'in_flight')
  }

  claimable(subscription: string, now: number): Modelled[] {
    const pending = this.pendingOf(subscription)
    return pending
      .filter(
        ({ row, place }) =>
          !pending.some((one) => row.key !== undefined && one.row.key === row.key && one.place < place),
      )
      .filter(({ at }) => at <= now)
      .sort((one, other) => one.at - other.at || one.place - other.place)
  }

  nextOf(subscription: string): number | undefined {
    const [first] = this.claimable(subscription, Number.MAX_SAFE_INTEGER)
    return first?.at
  }
}

describe.each(databases)('a store in %s, by chance', (database) => {
  let stage: StoreStage
  let stores: Store[]

  beforeAll(async () => {
    stage = await storeStage(database)
    stores = [await stage.open(), await stage.open()]
  })
  afterAll(() => stage.close())

  test.each([1, 2, 3])('does what the model of it does, and counts exactly (seed %d)', async (seed) => {
    const random = numbers(seed)
    const subscriptions = await Promise.all([0, 1].map(async () => (await subscribed(stores[0]!)).id))
    const model = new Model()
    let now = 1000
    let place = 0

    const insert = async (store: Store): Promise<void> => {
      const rows = Array.from({ length: 1 + random(8) }, () => {
        const subscription = subscriptions[random(2)]!
        const event = `${seed}-${random(120)}`
        const key = random(2) === 0 ? { key: `k${random(3)}` } : {}
        if (random(5) === 0) return endedRow(subscription, event, { ...key, now, status: ended[random(3)]! })
        return aRow(subscription, event, { ...key, now, at: now + random(200) })
      })
      const fresh = await store.deliveries.insert(rows)
      rows.forEach((row, index) => {
        expect(fresh[index]).toBe(!model.rows.has(row.id))
        if (fresh[index] !== true) return
        const { status, at = 0 } = row
        model.rows.set(row.id, { row, place: place++, status, at, token: undefined })
      })
    }
    const claim = async (store: Store): Promise<void> => {
      const subscription = subscriptions[random(2)]!
      const max = 1 + random(6)
      const token = `t${random(1_000_000)}`
      const until = now + 20 + random(100)
      const expected = model.claimable(subscription, now).slice(0, max)
      const rows = await store.deliveries.claim([{ subscription, max }], { token, now, until })
      expect(rows.map(({ id }) => id)).toEqual(expected.map(({ row }) => row.id))
      for (const one of expected) Object.assign(one, { status: 'in_flight', token, at: until })
    }
    const finish = async (store: Store): Promise<void> => {
      const held = [...model.rows.values()].filter(({ status }) => status === 'in_flight').slice(0, 1 + random(6))
      const results = held.map(({ row: { id }, token }) => {
        const stale = random(6) === 0
        const base = { id, token: stale ? 'stale' : token!, now }
        return random(3) === 0
          ? ({ ...base, status: 'parked', at: now + random(300) } as const)
          : ({ ...base, status: ended[random(3)]! } as const)
      })
      const answers = await store.deliveries.finish(results)
      results.forEach((result, index) => {
        expect(answers[index]).toBe(result.token !== 'stale')
        const at = 'at' in result ? result.at : 0
        if (answers[index] === true) Object.assign(held[index]!, { status: result.status, at, token: undefined })
      })
    }
    const disturb = async (store: Store): Promise<void> => {
      const all = [...model.rows.values()]
      const one = all[random(all.length)]
      if (one === undefined) return
      if (random(3) === 0 && one.status !== 'in_flight') {
        expect(await store.deliveries.delete(one.row.id)).toBe(true)
        // It may come again, as the newest.
        model.rows.delete(one.row.id)
      } else if (one.status === 'in_flight') {
        await store.deliveries.release([{ id: one.row.id, token: one.token! }], now + 50)
        Object.assign(one, { status: 'parked', at: now + 50, token: undefined })
      } else if (one.status !== 'succeeded') {
        expect(await store.deliveries.retry(one.row.id, now)).toBe('due')
        Object.assign(one, { status: 'parked', at: now, token: undefined })
      }
    }

    for (let step = 0; step < 250; step++) {
      const store = stores[random(2)]!
      await [insert, claim, finish, disturb][random(4)]!(store)
      now += random(30)
      if (step % 10 !== 9) continue
      const schedule = new Map((await store.deliveries.schedule()).map(({ subscription, at }) => [subscription, at]))
      for (const subscription of subscriptions) {
        const pending = model.pendingOf(subscription)
        const bytes = pending.reduce((sum, { row }) => sum + row.event.bytes.length, 0)
        const told = await store.deliveries.pending(subscription)
        expect(told.map(({ events, bytes }) => [events, bytes])).toEqual(
          pending.length === 0 ? [] : [[pending.length, bytes]],
        )
        expect(schedule.get(subscription)).toBe(model.nextOf(subscription))
        const counts = await store.deliveries.counts(subscription)
        const statuses = model.of(subscription).map(({ status }) => status)
        for (const [status, count] of Object.entries(counts)) {
          expect([status, count]).toEqual([status, statuses.filter((one) => one === status).length])
        }
      }
    }
    expect(model.rows.size).toBeGreaterThan(50)
  })
})
