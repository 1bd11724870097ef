import { expect, test } from 'vitest'
import { seedOfRun } from '../conformance/random.ts'
import { pause, until } from '../conformance/waiting.ts'
import { Load } from './faults/load.ts'
import { Stage } from './faults/stage.ts'

const hourMs = 3_600_000
const many = 1000

/** Publishes to 1,000 subscriptions, each of its own type, and answers how late the 99th percentile arrived. */
async function p99(sick: boolean): Promise<number> {
  const stage = await Stage.create({ store: 'sqlite', broker: 'embedded' })
  try {
    const { endpoints, replica } = stage
    replica.start()
    const share = 100 / many
    const types = Object.fromEntries(Array.from({ length: many }, (_, at) => [`load.t${at}`, share]))
    for (let at = 0; at < many; at++) {
      await stage.subscribe(
        `/p/${at}`,
        { filters: [{ exact: { type: `load.t${at}` } }] },
        { wants: ({ type }) => type === `load.t${at}` },
      )
    }
    if (sick) {
      endpoints.behave('/hung', () => 'hang')
      endpoints.behave('/dead', () => ({ status: 503 }))
      await stage.subscribe('/hung')
      await stage.subscribe('/dead')
    }
    const options = { seed: seedOfRun(), publishers: 1, batch: 1, paceMs: 2, keys: 10, types }
    const load = new Load(stage.topic, [replica], options)
    const madeAt = new Map<string, number>()
    const set = load.made.set.bind(load.made)
    load.made.set = (id, made) => {
      madeAt.set(id, performance.now())
      return set(id, made)
    }
    load.start()
    await load.acknowledges(10_000)
    await load.stop()
    const seen = () => Array.from({ length: many }, (_, at) => endpoints.seen(`/p/${at}`)).flat()
    const wanted = [...load.made.values()].filter(({ type }) => type !== 'load.made').length
    await until(60_000, 'the others have everything', async () => seen().length >= wanted, 200)
    const late = seen().map(({ event, at }) => at - madeAt.get(event)!)
    return late.sort((a, b) => a - b)[Math.floor(late.length * 0.99)]!
  } finally {
    await stage.remove()
  }
}

test('one hung and one dead endpoint among 1,000', { timeout: hourMs }, async () => {
  const without = await p99(false)
  const together = await p99(true)
  console.log(`p99 of the others: ${without.toFixed(1)} ms without, ${together.toFixed(1)} ms with them`)
  expect(together).toBeGreaterThan(0)
})

test('two replicas keep one rate together', { timeout: hourMs }, async () => {
  const stage = await Stage.create({ store: 'postgres', broker: 'kafka', replicas: 2 })
  try {
    for (const replica of stage.replicas) {
      replica.start()
      await replica.url()
    }
    const ratePerSecond = 100
    await stage.subscribe('/rated', { policy: { ratePerSecond } })
    const options = { seed: seedOfRun(), publishers: 4, batch: 50, paceMs: 20, keys: 50, types: {} }
    const load = new Load(stage.topic, stage.replicas, options)
    load.start()
    await load.acknowledges(6000)
    await load.stop()
    const before = stage.endpoints.seen('/rated').length
    const began = performance.now()
    await pause(20_000)
    const rate = ((stage.endpoints.seen('/rated').length - before) * 1000) / (performance.now() - began)
    console.log(`asked for ${ratePerSecond}/s, two replicas make ${rate.toFixed(1)}/s`)
    expect(rate).toBeGreaterThan(ratePerSecond * 0.8)
    expect(rate).toBeLessThan(ratePerSecond * 1.2)
  } finally {
    await stage.remove()
  }
})
