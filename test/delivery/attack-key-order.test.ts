import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { pause } from '../conformance/waiting.ts'
import { Receiver } from './receiver.ts'
import { eventually, Whole } from './whole.ts'

let whole: Whole
let receiver: Receiver

beforeAll(async () => {
  whole = await Whole.start()
})
afterAll(() => whole.stop())
beforeEach(async () => {
  receiver = await Receiver.start()
})
afterEach(() => receiver.close())

async function publish(type: string, key: string, from: number, to: number): Promise<void> {
  for (let number = from; number < to; number++) {
    const attributes = { specversion: '1.0', type, source: '/shop', partitionkey: key }
    const event = JSON.stringify({ ...attributes, id: `${type}-${number}`, data: number })
    const answer = await whole.client.publish('orders', event, 'application/cloudevents+json')
    expect(answer.status, answer.text).toBe(200)
  }
}

/** The numbers of the events that came, each the first time. */
function arrived(): number[] {
  return [...new Set(receiver.requests.map(({ body }) => (JSON.parse(body.toString()) as { data: number }).data))]
}

const ordered = (type: string) => ({ ordering: 'key', filters: [{ exact: { type } }] })
const upTo = (count: number): number[] => Array.from({ length: count }, (_, number) => number)

test('events of a key that wait when their subscription is paused are written down in their order', async () => {
  receiver.script = (_, response) => void setTimeout(() => response.end(), 150)
  const id = await whole.subscribe(`${receiver.url}/hook`, ordered('paused'))
  // Two that came at different times are looked at at different times.
  await publish('paused', 'k', 0, 20)
  await pause(450)
  await publish('paused', 'k', 20, 30)
  await receiver.received(8)
  await whole.client.request('POST', `/v1/subscriptions/${id}/pause`)
  await eventually(
    () => whole.show(id),
    ({ pending }) => pending.events >= 30 - receiver.requests.length,
  )
  await whole.client.request('POST', `/v1/subscriptions/${id}/resume`)
  await eventually(arrived, ({ length }) => length === 30)
  expect(arrived()).toEqual(upTo(30))
})

test('an event that fails late is tried again before what waited behind it', async () => {
  let failures = 0
  const begun: number[] = []
  receiver.script = ({ body }, response) => {
    const { data } = JSON.parse(body.toString()) as { data: number }
    begun.push(data)
    if (data === 0) return void setTimeout(() => response.end(), 400)
    // The first of the key has not had its own second when that of those behind it is over.
    const fails = data === 1 && failures++ === 0
    setTimeout(() => response.writeHead(fails ? 500 : 200).end(), fails ? 850 : 0)
  }
  const policy = { concurrency: 1, retry: { schedule: ['300ms', '300ms'] } }
  const id = await whole.subscribe(`${receiver.url}/hook`, { ...ordered('late'), policy })
  await publish('late', 'other', 0, 1)
  await publish('late', 'k', 1, 5)
  await eventually(arrived, ({ length }) => length === 5)
  await eventually(
    () => whole.show(id),
    ({ pending }) => pending.events === 0,
  )
  expect(begun).toEqual([0, 1, 1, 2, 3, 4])
})
