import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BodyStream } from '../fixtures/body-stream.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import type { StreamedAnswer } from '../fixtures/streamed-answer.ts'
import { cloudEvent, gate, idsOf, ndjsonType, until } from './events.ts'

let gateway: TestGateway
let topic: string
beforeEach(async () => {
  gateway = await startTestGateway({ limits: { idle: '800ms' } })
  topic = await gateway.topic()
})
afterEach(() => gateway.stop())

const line = (id: string): string => `${JSON.stringify(cloudEvent(id))}\n`

/** Sends `first`, and answers when its receipts begin to come. */
async function begin(
  first: string,
  at = gateway,
  where = topic,
): Promise<{ body: BodyStream; answer: StreamedAnswer }> {
  const body = new BodyStream()
  body.write(first)
  const headers = { 'content-type': ndjsonType }
  const answer = await at.client.stream('POST', `/v1/topics/${where}/events`, { headers, body: body.readable })
  return { body, answer }
}

describe('without a summary', () => {
  test('ends a stream that stalls; what was stored before has its receipt', async () => {
    const { answer } = await begin(`${line('a')}${line('b')}{"half`)
    expect(await answer.json()).toMatchObject({ id: 'a', status: 'stored' })
    expect(await answer.json()).toMatchObject({ id: 'b', status: 'stored' })
    const rest = await answer.rest().catch(() => 'cut off')
    expect(rest).not.toContain('summary')
    expect(await idsOf(gateway.client, topic)).toEqual(['a', 'b'])
  })

  test('also where the receipt was still to come when it stalled', async () => {
    const { body, answer } = await begin(line('first'))
    expect(await answer.json()).toMatchObject({ id: 'first' })
    const held = gate()
    gateway.faults.hold = held.closed
    body.write(line('a'))
    await until(() => gateway.faults.published.length > 1)
    // Longer than a body may stall.
    await new Promise((resolve) => setTimeout(resolve, 1700))
    held.open()
    expect(await answer.json()).toMatchObject({ id: 'a', status: 'stored' })
    expect(await answer.rest().catch(() => 'cut off')).not.toContain('summary')
  })

  test('a shutdown ends a stream, quiet or not; what was stored before has its receipt', async () => {
    const quiet = await begin(line('quiet'))
    const busy = await begin(line('first'))
    expect(await busy.answer.json()).toMatchObject({ id: 'first' })
    expect(await quiet.answer.json()).toMatchObject({ id: 'quiet', status: 'stored' })
    const held = gate()
    gateway.faults.hold = held.closed
    busy.body.write(line('busy'))
    await until(() => gateway.faults.published.length > 2)
    gateway.beginShutdown()
    held.open()
    expect(await busy.answer.json()).toMatchObject({ id: 'busy', status: 'stored' })
    for (const { answer } of [quiet, busy]) expect(await answer.rest()).not.toContain('summary')
  })
})

test('a body that flows is never cut, however long it takes', async () => {
  const ids = Array.from({ length: 12 }, (_, i) => `e-${i}`)
  const { body, answer } = await begin(line('e-0'))
  for (const [i, id] of ids.entries()) {
    if (i > 0) body.write(line(id))
    expect(await answer.json()).toMatchObject({ id, status: 'stored' })
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  body.end()
  expect(await answer.json()).toEqual({ summary: { stored: ids.length, failed: 0, unknown: 0 } })
})

test('a quiet stream that a shutdown finds ends at once, not when it would have stalled', async () => {
  const patient = await startTestGateway()
  const own = await patient.topic()
  const { answer } = await begin(line('a'), patient, own)
  expect(await answer.json()).toMatchObject({ id: 'a' })
  // The default may stall for 30 s, which is longer than this test may last.
  patient.beginShutdown()
  expect(await answer.rest()).toBe('')
  await patient.stop()
}, 15_000)
