import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import type { Delivery } from '../../src/core/broker.ts'
import { Credit } from '../../src/delivery/credit.ts'
import { Owed } from '../../src/delivery/owed.ts'
import { Slots } from '../../src/delivery/slots.ts'
import { Unsettled } from '../../src/delivery/unsettled.ts'

function delivery(receipt: string): Delivery {
  const attributes = { specversion: '1.0', id: receipt, source: '/s', type: 't' } as const
  return { event: { attributes }, receipt, attempt: 1, expiresAt: Number.MAX_SAFE_INTEGER }
}

test('what is revoked before it is taken holds no credit', async () => {
  const never = new AbortController().signal
  const credit = new Credit(10, 1 << 20)
  const unsettled = new Unsettled(credit, () => {})
  for (let round = 0; round < 5; round++) {
    const assignment = new AbortController()
    // Between the pull and its matching the store was asked, and the partition went meanwhile.
    assignment.abort()
    for (let i = 0; i < 4; i++) {
      unsettled.add(new Owed(delivery(`${round}-${i}`), assignment.signal, 0, (one) => unsettled.settle(one)))
    }
  }
  const room = await Promise.race([credit.room(never), new Promise((resolve) => setTimeout(resolve, 200, 'none'))])
  expect(room).toBe(10)
})

test('whoever waits for credit again and again leaves nothing at the signal', async () => {
  const { signal } = new AbortController()
  const credit = new Credit(1, 1 << 20)
  for (let i = 0; i < 100; i++) {
    credit.take(1)
    const room = credit.room(signal)
    credit.give(1)
    await room
  }
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('thousands that find a place and cannot use it give it on without growing the stack', () => {
  const slots = new Slots(1)
  slots.take(() => {})
  let asked = 0
  for (let i = 0; i < 20_000; i++) {
    // As a lane without a token of its rate.
    const wake = (): void => {
      asked++
      if (slots.take(wake)) slots.putBack()
    }
    slots.take(wake)
  }
  slots.give()
  expect(asked).toBe(20_000)
  expect(slots.take(() => {})).toBe(true)
})
