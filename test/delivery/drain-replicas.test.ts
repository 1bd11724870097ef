import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sharedKafka } from '../brokers/services/shared.ts'
import { DrainGateway } from './drain-gateway.ts'
import { Receiver } from './receiver.ts'
import { eventually } from './whole.ts'

// Two replicas over one store and one cluster, as in a restart of one after the other. The topic moves to another name.

let old: DrainGateway
let fresh: DrainGateway
let receiver: Receiver
let brokers: Record<string, unknown>
const own = randomBytes(5).toString('hex')
const before = { moved: { broker: 'main', name: `before.${own}`, ensure: { partitions: 3 } } }
const after = { moved: { broker: 'main', name: `after.${own}`, ensure: { partitions: 3 }, drainFrom: 'main' } }

beforeAll(async () => {
  receiver = await Receiver.start()
  brokers = { main: { type: 'kafka', bootstrap: (await sharedKafka(1)).bootstrap, sessionTimeout: '6s' } }
  old = await DrainGateway.create()
  fresh = await DrainGateway.create(old.folder)
  await old.start(before, { brokers })
})
afterAll(async () => {
  await fresh.stop()
  await old.remove()
  await receiver.close()
})

const arrived = () => receiver.requests.map(({ body }) => JSON.parse(body.toString()).id as string)

test('a replica that still has the old binding stops publishing to it, and nothing that it took is lost', {
  timeout: 120_000,
}, async () => {
  await old.subscribe('moved', `${receiver.url}/hook`)
  const group = old.group('moved')
  await group.create({ lease: '5s' })
  const stored: string[] = []
  const refusals: string[] = []
  let ended = false
  const publishing = (async () => {
    for (let i = 0; !ended; i++) {
      const answer = await old.publish('moved', `old-${i}`)
      if (answer.status === 200) stored.push(`old-${i}`)
      else refusals.push(answer.text)
    }
  })()
  await eventually(
    () => stored.length,
    (count) => count > 50,
  )
  await fresh.start(after, { brokers })
  // It listens only when nobody publishes to the old one any more.
  const last = stored.length
  expect(await fresh.show('moved')).toMatchObject({ epoch: 2, draining: { broker: 'main', epoch: 1 } })
  expect((await fresh.publish('moved', 'new-0')).status).toBe(200)
  stored.push('new-0')
  await eventually(
    () => refusals.length,
    (count) => count > 0,
  )
  expect(JSON.parse(refusals[0]!)).toMatchObject({
    code: 'unavailable',
    detail: expect.stringContaining('bound to broker main by another replica'),
  })
  expect(stored.indexOf('new-0')).toBe(last)
  const path = '/v1/topics/moved/groups/late'
  expect((await old.client.put(path, {})).problem.code).toBe('unavailable')
  const refused = await old.client.request('POST', '/v1/subscriptions', { json: { topic: 'moved', url: receiver.url } })
  expect(refused.problem.code).toBe('unavailable')
  ended = true
  await publishing
  expect(stored.at(-1)).toBe('new-0')

  // What the old replica leased is settled there, and at the new one too.
  const [one, two] = await group.pull(2, '10s')
  expect(await group.say(one!.lease, 'ack')).toBe('ok')
  expect(await fresh.group('moved').say(two!.lease, 'ack')).toBe('ok')
  const pulled = new Set([one!.event.id, two!.event.id])
  await eventually(
    async () => {
      const deliveries = await fresh.group('moved').pull(100, '1s')
      for (const { event } of deliveries) pulled.add(event.id)
      const settlements = deliveries.map(({ lease }) => ({ lease, outcome: 'ack' }))
      if (settlements.length > 0) await fresh.group('moved').settle(...settlements)
      return pulled.size
    },
    (count) => count === stored.length,
  )
  await eventually(
    () => new Set(arrived()).size,
    (count) => count === stored.length,
  )
  await eventually(
    () => fresh.show('moved'),
    ({ draining }) => draining === undefined,
  )
})

test('what was published all or none at the end of a Kafka log is no hindrance', { timeout: 120_000 }, async () => {
  await old.stop()
  const names = [`one.${own}`, `two.${own}`]
  const line = (at: number, more = {}) => ({ atomic: { broker: 'main', name: names[at], ensure: {}, ...more } })
  await fresh.start({ ...line(0) }, { brokers })
  await fresh.group('atomic').create()
  const events = ['a', 'b'].map((id) => ({ specversion: '1.0', id, type: 't', source: '/s' }))
  const answer = await fresh.client.batch('atomic', events, '?atomic=true')
  expect(answer.status).toBe(200)
  await fresh.start(line(1, { drainFrom: 'main' }), { brokers })
  const deliveries = await fresh.group('atomic').pull(10, '10s')
  expect(deliveries.map(({ event }) => event.id).sort()).toEqual(['a', 'b'])
  await fresh.group('atomic').settle(...deliveries.map(({ lease }) => ({ lease, outcome: 'ack' })))
  await eventually(
    () => fresh.show('atomic'),
    ({ draining }) => draining === undefined,
  )
})
