import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/core/errors.ts'
import { pause, until } from '../conformance/waiting.ts'
import { faulty } from '../fixtures/faulty-broker.ts'
import { Stage } from './stage.ts'

let stage: Stage
beforeEach(async () => {
  stage = await Stage.create()
})
afterEach(() => stage.remove())

const settled = () => until(20_000, 'all is settled', async () => (await stage.owed()) === 0)
const range = (count: number, keys = 5) => Array.from({ length: count }, (_, i) => [`e${i}`, `k${i % keys}`] as const)

function ordered(ids: readonly string[], keys = 5): void {
  for (let key = 0; key < keys; key++) {
    const places = ids.map((id) => Number(id.slice(1))).filter((place) => place % keys === key)
    expect(places).toEqual(places.toSorted((a, b) => a - b))
  }
}

describe('an event that the target refuses', () => {
  test('becomes a dead letter, and nothing else with it', async () => {
    await stage.start()
    stage.target.items.set('e7', { status: 'failed', code: 'unprocessable' })
    await stage.publish(range(50))
    const moved = await stage.arrives(49)
    await settled()
    expect(moved).not.toContain('e7')
    expect(new Set(moved).size).toBe(49)
    ordered(moved)
    expect(stage.refused.map(({ event, kept, error }) => [event.attributes.id, kept, error.code])).toEqual([
      ['e7', true, 'unprocessable'],
    ])
    const [letter] = await stage.from.broker.deadLetters!.list('from', 'sluice.bridge.b', { limit: 10 })
    expect(letter).toMatchObject({ reason: 'unprocessable: as the test asked', event: { attributes: { id: 'e7' } } })
    stage.target.items.clear()
    await stage.from.broker.deadLetters!.redrive('from', 'sluice.bridge.b', 'all')
    expect(await stage.arrives(50)).toContain('e7')
  })

  test('is found where the whole of a batch is refused for it', async () => {
    await stage.start()
    const { broker } = stage.to
    const { publish } = broker
    const strict: typeof publish = async (topic, events, options) => {
      const bad = events.some(({ attributes }) => attributes.id === 'e3')
      if (bad) throw new GatewayError('too_large', 'One of them is too large.')
      return publish(topic, events, options)
    }
    Object.assign(broker, { publish: strict })
    await stage.publish(range(20))
    const moved = await stage.arrives(19)
    await settled()
    expect(moved.toSorted()).toEqual(
      range(20)
        .map(([id]) => id)
        .filter((id) => id !== 'e3')
        .sort(),
    )
    ordered(moved)
    expect(stage.refused).toHaveLength(1)
  })

  test('is told and passed where the source keeps no dead letters', async () => {
    await stage.remove()
    stage = await Stage.create({ reject: false })
    await stage.start()
    stage.target.items.set('e1', { status: 'failed', code: 'too_large' })
    await stage.publish(range(4))
    await stage.arrives(3)
    await settled()
    expect(stage.refused.map(({ event, kept }) => [event.attributes.id, kept])).toEqual([['e1', false]])
    expect(stage.logged.filter((line) => line.startsWith('error An event was not moved'))).toHaveLength(1)
  })
})

describe('an event that the target cannot place', () => {
  test('is not given up while the target places no other either', async () => {
    await stage.start()
    for (const [id] of range(400)) stage.target.items.set(id, { status: 'failed', code: 'unprocessable' })
    await stage.publish(range(400))
    await until(20_000, 'it is told', async () => stage.logged.some((line) => line.startsWith('warn The target')))
    await pause(2000)
    // Together, each key's first; then one by one, with longer and longer pauses.
    expect(stage.target.published.length).toBeLessThan(12)
    expect(stage.refused).toEqual([])
    stage.target.items.clear()
    const moved = await stage.arrives(400)
    await settled()
    expect(moved).toHaveLength(400)
    ordered(moved)
    expect(stage.refused).toEqual([])
  })

  test('is given up as soon as the target takes another, and its key goes on', async () => {
    await stage.start()
    stage.target.items.set('e0', { status: 'failed', code: 'unprocessable' })
    await stage.publish([
      ['e0', 'k0'],
      ['e5', 'k0'],
    ])
    await until(20_000, 'it is told', async () => stage.logged.some((line) => line.startsWith('warn The target')))
    expect(stage.refused).toEqual([])
    expect(await stage.moved()).toEqual([])
    await stage.publish([['e1', 'k1']])
    expect((await stage.arrives(2)).toSorted()).toEqual(['e1', 'e5'])
    await settled()
    expect(stage.refused.map(({ event }) => event.attributes.id)).toEqual(['e0'])
  })
})

describe('a target that takes nothing', () => {
  test.each(['unavailable', 'permission_denied', 'not_found', 'throttled', 'misconfigured'] as const)(
    'because it is %s holds everything back, and loses nothing',
    async (code) => {
      await stage.start()
      stage.target.thrown = new GatewayError(code, 'as the test asked')
      await stage.publish(range(100))
      await until(20_000, 'it was tried', async () => stage.target.published.length > 2)
      expect(await stage.moved()).toEqual([])
      expect(await stage.owed()).toBe(100)
      stage.target.thrown = undefined
      const moved = await stage.arrives(100)
      await settled()
      expect(moved).toHaveLength(100)
      ordered(moved)
      expect(stage.refused).toEqual([])
      const lines = stage.logged.map((line) => line.split(' {')[0])
      expect(lines).toEqual([
        'warn The target of a bridge takes no events; trying again.',
        'info A bridge moves events again.',
      ])
    },
  )

  test('is asked seldom, and what waits in memory is bounded', async () => {
    await stage.start()
    stage.target.thrown = new GatewayError('unavailable', 'as the test asked')
    for (let i = 0; i < 5; i++) await stage.publish(range(1000).map(([id, key]) => [`${i}${id}`, key] as const))
    await until(20_000, 'it was tried', async () => stage.target.published.length > 0)
    await pause(3000)
    // Of 200, 400, 800 … ms at least half is waited.
    expect(stage.target.published.length).toBeLessThan(7)
    const { inFlight } = await stage.from.broker.groups.describe('from', 'sluice.bridge.b')
    expect(inFlight).toBeLessThanOrEqual(2000)
    stage.target.thrown = undefined
    await stage.arrives(5000)
    await settled()
  })

  test('gives back what it holds when its leases end', async () => {
    await stage.start()
    stage.target.thrown = new GatewayError('unavailable', 'as the test asked')
    await stage.publish(range(100))
    await until(20_000, 'it was tried', async () => stage.target.published.length > 0)
    stage.aheadMs = 28_000
    await until(20_000, 'all is given back', async () => {
      return (await stage.from.broker.groups.describe('from', 'sluice.bridge.b')).inFlight === 0
    })
    stage.target.thrown = undefined
    stage.aheadMs = 0
    const moved = await stage.arrives(100)
    await settled()
    expect(moved).toHaveLength(100)
    ordered(moved)
  })

  test('that does not answer may have the events: they come again', async () => {
    await stage.start()
    stage.target.lost = new Error('The answer is lost.')
    await stage.publish(range(10))
    await until(20_000, 'it was tried', async () => stage.target.published.length > 1)
    expect(await stage.owed()).toBe(10)
    stage.target.lost = undefined
    await settled()
    expect(new Set(await stage.moved())).toEqual(new Set(range(10).map(([id]) => id)))
  })
})

describe('a source', () => {
  test('that fails is tried again, and what could not be settled comes again', async () => {
    await stage.start()
    await stage.publish(range(10))
    await stage.arrives(10)
    await settled()
    let release = (): void => {}
    stage.target.hold = new Promise((resolve) => {
      release = resolve
    })
    await stage.publish([['e10', 'k0']])
    await until(20_000, 'it is pulled', async () => stage.target.published.flat().includes('e10'))
    stage.source.broken = new GatewayError('unavailable', 'as the test asked')
    stage.target.hold = undefined
    release()
    await until(20_000, 'it is told', async () => stage.logged.some((line) => line.includes('cannot read its source')))
    stage.source.broken = undefined
    await settled()
    expect((await stage.moved()).filter((id) => id === 'e10').length).toBeGreaterThan(0)
    expect(stage.logged.filter((line) => line.includes('cannot read its source'))).toHaveLength(1)
    await until(20_000, 'it is well', async () => stage.logged.at(-1)?.includes('moves events again') === true)
  })

  test('with room for one group refuses a bridge where another has it, by its name', async () => {
    const one = faulty(stage.from.broker, stage.source, { groups: 'one' })
    const options = { start: 'latest', leaseMs: 1000, maxAttempts: 16 } as const
    await one.groups.create('from', 'taken', options)
    const starting = stage.start({ from: { ...stage.from, broker: one } })
    await expect(starting).rejects.toThrow('Bridge b: topic from on broker from has room for one group')
    await one.groups.delete('from', 'taken')
    await stage.start({ from: { ...stage.from, broker: one } })
  })
})

test('stopping waits for what is being published, and leaves nothing twice', async () => {
  const bridges = await stage.start()
  let release = (): void => {}
  stage.target.hold = new Promise((resolve) => {
    release = resolve
  })
  await stage.publish(range(10))
  await until(20_000, 'it is sent', async () => stage.target.published.length > 0)
  const stopping = bridges.stop(10_000)
  stage.target.hold = undefined
  release()
  await stopping
  const before = (await stage.moved()).length
  expect(await stage.owed()).toBe(10 - before)
  await stage.start()
  expect(await stage.arrives(10)).toHaveLength(10)
})
