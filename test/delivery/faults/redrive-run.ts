import { Random } from '../../conformance/random.ts'
import { until } from '../../conformance/waiting.ts'
import type { Operation } from './api.ts'
import type { Control } from './controls.ts'
import { Load } from './load.ts'
import { Stage, type StoreType } from './stage.ts'

export interface RedriveRun {
  readonly seed: number
  readonly store: StoreType
  /** Where the gateway ends itself, one redrive each. */
  readonly points: readonly ('before-redrive' | 'after-redrive')[]
  readonly control?: Control
}

export interface RedriveReport {
  /** What has not exactly one attempt for its publish and one for each redrive. */
  readonly wrong: readonly string[]
  readonly operations: readonly Operation[]
  readonly dead: number
  readonly line: string
}

/** More than one redrive takes in a step. */
const events = 1200

/**
 * Deliveries that die at their first failure, and redrives of all of them while gateways end themselves: each has one more
 * attempt for each request. The last redrive finds an endpoint that works again.
 */
export async function redriveUnderKills({ seed, store, points, control }: RedriveRun): Promise<RedriveReport> {
  const stage = await Stage.create({ store, broker: 'embedded', ...(control && { control }) })
  const random = new Random(seed)
  const { api, endpoints, replica } = stage
  const load = new Load(stage.topic, [replica], {
    seed,
    publishers: 1,
    batch: 100,
    paceMs: 0,
    keys: 20,
    types: {},
  })
  const operations: Operation[] = []
  try {
    replica.start()
    endpoints.behave('/dying', () => ({ status: 500 }))
    const policy = { timeout: '3s', retry: { schedule: [] }, breaker: { minimum: 100_000 } }
    const { id } = await stage.subscribe('/dying', { policy })
    await load.burst(events)
    await until(60_000, 'all are dead', async () => (await api.rows(id, 'dead')).length === events, 200)
    const redrive = async (): Promise<Operation> => {
      const body = { subscription: id, status: 'dead', all: true }
      return api.ask<Operation>('POST', '/v1/deliveries/redrive', body)
    }
    for (const at of points) {
      await replica.stop()
      // Three steps take all, and a fourth finds that there are no more.
      replica.start({ at, nth: random.between(1, 3) })
      const { id: operation } = await redrive()
      await replica.gone
      replica.start()
      operations.push(await api.finished(operation))
    }
    const { id: operation } = await redrive()
    operations.push(await api.finished(operation))
    // What is wrong may take a moment to show.
    await until(60_000, 'nothing is on its way', async () => (await api.busy()).length === 0, 200)
    endpoints.behave('/dying', () => ({ status: 200 }))
    operations.push(await api.finished((await redrive()).id))
    await until(60_000, 'nothing is on its way', async () => (await api.busy()).length === 0, 200)
    const rows = await api.rows(id)
    const attempts = 1 + operations.length
    const wrong = rows
      .filter((row) => row.attempts !== attempts || row.status !== 'succeeded')
      .map((row) => `${row.event.id} is ${row.status} after ${row.attempts} attempts`)
    const seen = endpoints.seen('/dying').length
    const line = `SLUICE_SEED=${seed} on ${store}: ${events} dead, ${operations.length} redrives, ${replica.kills.length} kills, ${seen} attempts for ${events * attempts}; ${wrong.length} wrong`
    return { wrong, operations, dead: events, line }
  } catch (error) {
    throw new Error(`SLUICE_SEED=${seed}, ${store}: ${error}\n${replica.errors}`, { cause: error })
  } finally {
    await stage.remove()
  }
}
