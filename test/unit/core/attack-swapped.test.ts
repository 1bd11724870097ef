import { expect, test } from 'vitest'
import type { Consumer, Settlement } from '../../../src/core/broker.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import type { PullSource } from '../../../src/core/group.ts'
import { SwappedConsumer } from '../../../src/core/swapped-consumer.ts'

test('what came from the new broker is settled while the old one does not answer', async () => {
  const settled: Settlement[] = []
  const consumer: Consumer = {
    pull: async () => ({ deliveries: [], epoch: 1, revoked: new AbortController().signal }),
    settle: async (all) => {
      settled.push(...all)
      return all.map(() => ({ status: 'ok' }))
    },
    close: async () => {},
  }
  const gone = () => Promise.reject(new GatewayError('unavailable', 'It does not answer.'))
  const at = (epoch: number, open: PullSource['open']) => {
    const pulls = { open, capabilities: { extend: epoch === 2 } } as PullSource
    return { epoch, brokerName: `b${epoch}`, brokerTopic: 't', pulls }
  }
  const now = at(2, async () => consumer)
  const before = at(1, gone)
  const swapped = new SwappedConsumer(now, consumer, () => before, 'g', { prefetch: 1 })
  const outcome = { kind: 'ack' } as const
  expect(await swapped.settle([{ receipt: '2~r', outcome }])).toEqual([{ status: 'ok' }])
  expect(settled).toEqual([{ receipt: 'r', outcome }])
  // It is the old broker that lacks it, and the refusal says so.
  await expect(swapped.settle([{ receipt: 'r', outcome: { kind: 'extend' } }])).rejects.toMatchObject({
    capability: 'extend',
    broker: 'b1',
  })
})
