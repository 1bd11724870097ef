import { expect, test } from 'vitest'
import { seedOfRun } from '../conformance/random.ts'
import { until } from '../conformance/waiting.ts'
import { Load } from './faults/load.ts'
import { Stage } from './faults/stage.ts'

const policy = {
  timeout: '3s',
  retry: { schedule: Array.from({ length: 50 }, () => '200ms') },
  breaker: { minimum: 100_000 },
}

test.each(['sqlite', 'postgres'] as const)(
  'a parked event parks its successors of that key and nothing else, through a kill, on %s',
  {
    timeout: 120_000,
  },
  async (store) => {
    const stage = await Stage.create({ store, broker: 'embedded' })
    try {
      const { endpoints, replica } = stage
      replica.start()
      await stage.subscribe('/ordered', { ordering: 'key', policy })
      await stage.subscribe('/free', { policy })
      const seed = seedOfRun()
      const load = new Load(stage.topic, [replica], { seed, publishers: 1, batch: 20, paceMs: 0, keys: 6, types: {} })
      let sick: string | undefined
      endpoints.behave('/ordered', ({ key }) => {
        sick ??= key
        return { status: key === sick ? 500 : 200 }
      })
      await load.burst(200)
      const others = [...load.made.values()].filter(({ key }) => key !== sick).length
      const delivered = async (): Promise<boolean> =>
        endpoints.seen('/ordered').filter(({ status }) => status === 200).length >= others
      await until(60_000, 'every other key is delivered', delivered)
      await until(60_000, 'the other subscription has all', async () => endpoints.seen('/free').length >= 200)
      await replica.kill()
      replica.start()
      const tries = endpoints.seen('/ordered').length
      const goesOn = async (): Promise<boolean> => endpoints.seen('/ordered').length >= tries + 5
      await until(60_000, 'the parked one is tried again', goesOn)
      const blocked = endpoints.seen('/ordered').filter(({ key }) => key === sick)
      expect(new Set(blocked.map(({ event }) => event)), `SLUICE_SEED=${seed}`).toEqual(new Set([`${sick}-0`]))
      endpoints.behave('/ordered', () => ({ status: 200 }))
      const { violations, sums } = await stage.settled(load)
      expect(violations.slice(0, 10), `SLUICE_SEED=${seed}`).toEqual([])
      expect(sums.map(({ accepted, succeeded }) => [accepted, succeeded])).toEqual([
        [200, 200],
        [200, 200],
      ])
    } finally {
      await stage.remove()
    }
  },
)
