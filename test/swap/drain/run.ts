import { expect } from 'vitest'
import { until } from '../../conformance/waiting.ts'
import { total } from '../../delivery/faults/check.ts'
import { Load, type Made } from '../../delivery/faults/load.ts'
import { Puller } from './puller.ts'
import { DrainStage, type Entry } from './stage.ts'

export interface Swap {
  readonly from: Entry
  readonly to: Entry
  readonly seed: number
  /** What stands in the topics' lines beside `broker` once they are swapped. */
  readonly how: Entry
}

export interface Swapped {
  /** Acknowledged, and never received by somebody who should have. */
  readonly lost: readonly string[]
  readonly violations: readonly unknown[]
  readonly reordered: readonly string[]
  readonly line: string
}

/** Against hanging: draining waits for leases and for a group to share out its partitions. */
const drainMs = 150_000
const settleMs = 120_000

/**
 * Publishes to two topics while they are bound to another broker, with the gateway killed in the middle; each has a pull
 * group and subscriptions: one that takes everything, one that was broken before, and one in the order of its keys.
 */
export async function swapUnderLoad({ from, to, seed, how }: Swap): Promise<Swapped> {
  const stage = await DrainStage.create(from, to)
  const { loose, ordered, endpoints } = stage
  const loadOf = (topic: string, name: string, at: number): Load =>
    new Load(topic, [stage], { seed: seed + at, publishers: 2, batch: 8, paceMs: 60, keys: 5, types: {}, name })
  const loads = new Map([
    [loose, loadOf(loose, 'l', 0)],
    [ordered, loadOf(ordered, 'o', 1000)],
  ])
  const pullers = [loose, ordered].map((topic) => new Puller(stage, topic, 'workers'))
  const all = [...loads.values()]
  try {
    await stage.start({ broker: 'from', ensure: {} })
    for (const puller of pullers) await puller.create()
    const retry = { retry: { schedule: Array.from({ length: 40 }, () => '300ms') }, timeout: '5s' }
    await stage.subscribe(loose, '/healthy', { policy: retry })
    let isHealed = false
    endpoints.behave('/sick', () => ({ status: isHealed ? 200 : 503 }))
    const breaker = { minimum: 5, cooldown: '1s' }
    await stage.subscribe(loose, '/sick', { policy: { ...retry, breaker } })
    await stage.subscribe(ordered, '/ordered', { ordering: 'key', policy: { ...retry, breaker: { minimum: 100_000 } } })

    for (const load of all) load.start()
    await Promise.all(all.map((load) => load.acknowledges(150)))
    // Something is taken, and most is not: that is what there is to drain.
    for (const puller of pullers) await puller.some(20)
    await stage.end('stop')
    await stage.start({ broker: 'to', ensure: {}, ...how })
    const isDraining = (await stage.show(loose)).draining !== undefined
    // What is abandoned takes its groups along.
    if (!isDraining) for (const puller of pullers) await puller.create()
    // The one goes on at once; the other waits for its order.
    await loads.get(loose)!.acknowledges(100)
    await stage.end('kill')
    await stage.start({ broker: 'to', ensure: {}, ...how })
    for (const puller of pullers) puller.start()
    isHealed = true
    if (isDraining) await stage.drained(drainMs)
    await Promise.all(all.map((load) => load.acknowledges(60)))
    await Promise.all(all.map((load) => load.stop()))
    const made = new Map([...loads].map(([topic, load]) => [topic, load.made] as const))
    const checkers = await stage.settled(made, settleMs)
    await until(settleMs, 'the pull groups are empty', async () => {
      const lags = await Promise.all(pullers.map((puller) => puller.lag()))
      return lags.every((lag) => lag === 0)
    })
    await Promise.all(pullers.map((puller) => puller.stop()))
    const lost = [...made.values()].flatMap((events, at) => lostOf(events, pullers[at]!))
    const violations = checkers.flatMap((checker) => checker.violations)
    const reordered = reorderedIn(made.get(ordered)!, pullers[1]!)
    const acknowledged = all.reduce((sum, load) => sum + load.acknowledged, 0)
    const sums = checkers.flatMap((checker) => checker.sums)
    const line = `SLUICE_SEED=${seed}: ${acknowledged} acknowledged, ${lost.length} lost by pullers, ${violations.length} violations; ${total(sums)}`
    return { lost, violations, reordered, line }
  } catch (error) {
    throw new Error(`SLUICE_SEED=${seed}: ${error}\n${stage.errors}`, { cause: error })
  } finally {
    await Promise.all(all.map((load) => load.stop().catch(() => undefined)))
    await Promise.all(pullers.map((puller) => puller.stop().catch(() => undefined)))
    await stage.remove()
  }
}

/** Everything is there, and each key in its order. */
export async function losesNothing(swap: Omit<Swap, 'how'>): Promise<void> {
  const { lost, violations, reordered, line } = await swapUnderLoad({ ...swap, how: { drainFrom: 'from' } })
  console.log(line)
  expect({ lost, violations, reordered }, line).toEqual({ lost: [], violations: [], reordered: [] })
}

function lostOf(made: ReadonlyMap<string, Made>, { received }: Puller): string[] {
  return [...made.values()].filter(({ id, acknowledged }) => acknowledged && !received.has(id)).map(({ id }) => id)
}

/** Events that came after a later one of their key. */
function reorderedIn(made: ReadonlyMap<string, Made>, { received }: Puller): string[] {
  const places = new Map<string, number>()
  return [...received].flatMap(([id, key]) => {
    const { place } = made.get(id)!
    const before = places.get(key) ?? -1
    places.set(key, Math.max(place, before))
    return place < before ? [id] : []
  })
}
