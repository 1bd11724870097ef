import { Random } from '../../conformance/random.ts'
import { pause } from '../../conformance/waiting.ts'
import { type Sum, total, type Violation } from './check.ts'
import { Load } from './load.ts'
import { Stage } from './stage.ts'

export interface ReplicasRun {
  readonly seed: number
  /** How often one of the two is killed and comes again. */
  readonly kills: number
  /** How many events are acknowledged between two kills, at the least. */
  readonly events: number
}

export interface ReplicasReport {
  readonly violations: readonly Violation[]
  readonly sums: readonly Sum[]
  readonly line: string
}

const quick = { timeout: '3s', retry: { schedule: Array.from({ length: 40 }, () => '300ms') } }

/** Two gateways over one Postgres and one Kafka, under load, of which now one is killed and now the other. */
export async function killOneOfTwo({ seed, kills, events }: ReplicasRun): Promise<ReplicasReport> {
  const stage = await Stage.create({ store: 'postgres', broker: 'kafka', replicas: 2 })
  const random = new Random(seed)
  const options = { seed, publishers: 4, batch: 20, paceMs: 40, keys: 5, types: { 'load.odd': 20, 'load.slow': 1 } }
  const load = new Load(stage.topic, stage.replicas, options)
  const { endpoints, replicas } = stage
  try {
    for (const replica of replicas) {
      replica.start()
      await replica.url()
    }
    await stage.subscribe('/healthy', { policy: quick })
    await stage.subscribe('/ordered', { ordering: 'key', policy: { ...quick, breaker: { minimum: 100_000 } } })
    endpoints.behave('/ordered', ({ attempt }) => ({ status: attempt <= 1 && random.next() < 0.03 ? 500 : 200 }))
    await stage.subscribe('/broken', { policy: { ...quick, breaker: { minimum: 5, cooldown: '1s' } } })
    endpoints.behave('/broken', () => ({ status: 503 }))
    endpoints.behave('/slow', () => ({ status: 200, afterMs: 1300 }))
    await stage.subscribe(
      '/slow',
      { filters: [{ exact: { type: 'load.slow' } }], policy: { ...quick, concurrency: 50 } },
      { wants: ({ type }) => type === 'load.slow' },
    )
    load.start()
    for (let killed = 0; killed < kills; killed++) {
      await load.acknowledges(events)
      const victim = replicas[(seed + killed) % 2]!
      await victim.kill()
      await pause(random.between(0, 2000))
      victim.start()
      await victim.url()
    }
    endpoints.behave('/broken', () => ({ status: 200 }))
    await load.acknowledges(events)
    await load.stop()
    const { violations, sums } = await stage.settled(load)
    const line = `SLUICE_SEED=${seed} on two replicas, Postgres and Kafka: ${kills} kills, ${load.acknowledged} events acknowledged (${load.repeated} published again), ${total(sums)}; ${violations.length} violations`
    return { violations, sums, line }
  } catch (error) {
    const errors = replicas.map((replica) => replica.errors).join('\n')
    throw new Error(`SLUICE_SEED=${seed}: ${error}\n${errors}`, { cause: error })
  } finally {
    await load.stop().catch(() => undefined)
    await stage.remove()
  }
}
