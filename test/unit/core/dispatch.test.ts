import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Batch, Consumer, Delivery, Outcome, Settlement } from '../../../src/core/broker.ts'
import { dispatch } from '../../../src/core/dispatch.ts'
import { event } from './scripted-broker.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function delivery(id: string): Delivery {
  return { event: event(id), receipt: `lease-${id}`, attempt: 1, expiresAt: 0 }
}

function batchOf(...ids: string[]): Batch & { revoke: () => void } {
  const revoked = new AbortController()
  return { deliveries: ids.map(delivery), epoch: 1, revoked: revoked.signal, revoke: () => revoked.abort() }
}

/** Notes what it is asked to settle. */
function consumerNoting(): { consumer: Consumer; settled: Settlement[][] } {
  const settled: Settlement[][] = []
  const consumer = {
    async settle(settlements: readonly Settlement[]) {
      settled.push([...settlements])
      return settlements.map(() => ({ status: 'ok' as const }))
    },
  }
  return { consumer: consumer as unknown as Consumer, settled }
}

const ack = async (): Promise<Outcome> => ({ kind: 'ack' })
const never = (): Promise<Outcome> => new Promise(() => {})

describe('dispatch', () => {
  test('settles all together with what each handler said', async () => {
    const { consumer, settled } = consumerNoting()
    const outcomes: Record<string, Outcome> = {
      a: { kind: 'ack' },
      b: { kind: 'nack', delayMs: 5 },
      c: { kind: 'reject', reason: 'bad' },
      d: { kind: 'extend', durationMs: 9 },
    }
    const results = await dispatch(
      consumer,
      batchOf('a', 'b', 'c', 'd'),
      async (d) => outcomes[d.event.attributes.id]!,
      1000,
    )
    expect(results.length).toBe(4)
    expect(settled).toEqual([Object.entries(outcomes).map(([id, outcome]) => ({ receipt: `lease-${id}`, outcome }))])
  })

  test('runs all handlers at once', async () => {
    const { consumer } = consumerNoting()
    let started = 0
    const together = Promise.withResolvers<Outcome>()
    const handler = () => {
      if (++started === 3) together.resolve({ kind: 'ack' })
      return together.promise
    }
    await dispatch(consumer, batchOf('a', 'b', 'c'), handler, 1000)
    expect(started).toBe(3)
  })

  test('a handler that throws is a nack, at once or later, and the others are settled as they said', async () => {
    const { consumer, settled } = consumerNoting()
    const handler = (one: Delivery): Promise<Outcome> => {
      if (one.event.attributes.id === 'a') throw new Error('at once')
      return one.event.attributes.id === 'b' ? Promise.reject(new Error('later')) : ack()
    }
    await dispatch(consumer, batchOf('a', 'b', 'c'), handler, 1000)
    expect(settled[0]?.map(({ outcome }) => outcome.kind)).toEqual(['nack', 'nack', 'ack'])
  })

  test('a handler that is late is a nack, and its signal aborts', async () => {
    const { consumer, settled } = consumerNoting()
    let aborted = false
    const handler = (_: Delivery, signal: AbortSignal): Promise<Outcome> => {
      signal.addEventListener('abort', () => {
        aborted = true
      })
      return never()
    }
    const done = dispatch(consumer, batchOf('a'), handler, 1000)
    await vi.advanceTimersByTimeAsync(999)
    expect(settled).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    await done
    expect(aborted).toBe(true)
    expect(settled).toEqual([[{ receipt: 'lease-a', outcome: { kind: 'nack' } }]])
  })

  test('what was revoked is not settled, and its handlers are told', async () => {
    const { consumer, settled } = consumerNoting()
    const batch = batchOf('a', 'b')
    const told: string[] = []
    const handler = (one: Delivery, signal: AbortSignal): Promise<Outcome> => {
      signal.addEventListener('abort', () => told.push(one.event.attributes.id))
      return one.event.attributes.id === 'a' ? ack() : never()
    }
    const done = dispatch(consumer, batch, handler, 60_000)
    await Promise.resolve()
    batch.revoke()
    expect(await done).toEqual([])
    expect(settled).toEqual([])
    expect(told).toContain('b')
  })

  test('what was revoked before is not even handled', async () => {
    const { consumer, settled } = consumerNoting()
    const batch = batchOf('a')
    batch.revoke()
    const handler = vi.fn(never)
    expect(await dispatch(consumer, batch, handler, 60_000)).toEqual([])
    expect(handler).not.toHaveBeenCalled()
    expect(settled).toEqual([])
  })

  test('an empty batch settles nothing; no timer is left', async () => {
    const { consumer, settled } = consumerNoting()
    expect(await dispatch(consumer, batchOf(), ack, 1000)).toEqual([])
    await dispatch(consumer, batchOf('a'), ack, 1000)
    expect(settled.length).toBe(1)
    expect(vi.getTimerCount()).toBe(0)
  })
})
