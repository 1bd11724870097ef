import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../brokers/services/ports.ts'
import { seedOfRun } from '../conformance/random.ts'
import { until } from '../conformance/waiting.ts'
import type { Row } from './faults/api.ts'
import { Load } from './faults/load.ts'
import { Stage } from './faults/stage.ts'

/** Against hanging. */
const ms = 60_000
let stage: Stage
const seed = seedOfRun()

beforeAll(async () => {
  stage = await Stage.create({ store: 'sqlite', broker: 'embedded' })
  stage.replica.start()
})

afterAll(() => stage.remove())

/** Events that no other test's subscriptions want. */
async function publish(type: string, count: number): Promise<void> {
  const options = { seed, publishers: 1, batch: 50, paceMs: 0, keys: 4, types: { [type]: 100 }, name: type }
  await new Load(stage.topic, [stage.replica], options).burst(count)
}

function wanting(type: string, policy: Record<string, unknown>): Record<string, unknown> {
  return { filters: [{ exact: { type } }], policy }
}

test('one endpoint that hangs and one that is dead hold none of 48 others up', { timeout: 2 * ms }, async () => {
  const { api, endpoints } = stage
  // Neither comes to any end while the test runs.
  const policy = { timeout: '60s', retry: { schedule: ['1h'] } }
  endpoints.behave('/hung', () => 'hang')
  await stage.subscribe('/hung', wanting('many', policy))
  const dead = `http://127.0.0.1:${await freePort()}/dead`
  const { id } = await api.subscribe({ topic: stage.topic, url: dead, ...wanting('many', policy) })
  const others = Array.from({ length: 48 }, (_, at) => `/other/${at}`)
  for (const path of others) await stage.subscribe(path, wanting('many', policy))
  await publish('many', 200)
  await until(ms, 'the others have everything', async () => others.every((path) => endpoints.seen(path).length === 200))
  expect(endpoints.seen('/hung').length).toBeGreaterThan(0)
  expect(endpoints.seen('/hung').every(({ status }) => status === undefined)).toBe(true)
  const state = async (): Promise<string> => (await api.subscription(id)).state.breaker
  await until(ms, 'the breaker of the dead one is open', async () => (await state()) === 'open')
})

test('Retry-After is obeyed where it is later than the schedule', { timeout: ms }, async () => {
  const { endpoints } = stage
  const busy = { status: 503, headers: { 'retry-after': '2' } }
  endpoints.behave('/busy', ({ attempt }) => (attempt === 1 ? busy : { status: 200 }))
  await stage.subscribe('/busy', wanting('busy', { retry: { schedule: ['100ms'] } }))
  await publish('busy', 1)
  await until(ms, 'it is taken', async () => endpoints.seen('/busy').some(({ status }) => status === 200))
  const [first, second] = endpoints.seen('/busy')
  expect(second!.at - first!.answeredAt!).toBeGreaterThanOrEqual(1990)
})

test('the breaker opens, lets one through, and closes; GET shows it', { timeout: ms }, async () => {
  const { api, endpoints } = stage
  endpoints.behave('/ill', () => ({ status: 500 }))
  const breaker = { minimum: 5, cooldown: '1s' }
  const { id } = await stage.subscribe(
    '/ill',
    wanting('ill', { timeout: '10s', retry: { schedule: Array.from({ length: 50 }, () => '300ms') }, breaker }),
  )
  const shows = (breaker: string) => async () => (await api.subscription(id)).state.breaker === breaker
  expect(await shows('closed')()).toBe(true)
  await publish('ill', 10)
  await until(ms, 'it is open', shows('open'))
  let together = 0
  let most = 0
  endpoints.behave('/ill', () => {
    most = Math.max(most, ++together)
    setTimeout(() => together--, 900)
    return { status: 500, afterMs: 1000 }
  })
  await until(ms, 'it is half-open', shows('half-open'))
  await until(ms, 'it is open again', shows('open'))
  expect(most, 'probes at once').toBe(1)
  endpoints.behave('/ill', () => ({ status: 200 }))
  await until(ms, 'it is closed', shows('closed'))
  const taken = async (): Promise<boolean> =>
    new Set(endpoints.seen('/ill').flatMap(({ status, event }) => (status === 200 ? [event] : []))).size === 10
  await until(ms, 'everything is delivered', taken)
})

test('an attempt ends in time, and says so', { timeout: ms }, async () => {
  const { api, endpoints } = stage
  endpoints.behave('/late', () => 'hang')
  const { id } = await stage.subscribe('/late', wanting('late', { timeout: '300ms', retry: { schedule: [] } }))
  await publish('late', 1)
  const [row] = await until(ms, 'it is dead', async () => {
    const rows = await api.rows(id, 'dead')
    return rows.length > 0 && rows
  })
  const { history } = await api.ask<{ history: { stage: string }[] }>('GET', `/v1/deliveries/${(row as Row).id}`)
  expect(history).toMatchObject([{ number: 1, stage: 'timeout' }])
})
