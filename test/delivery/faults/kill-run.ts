import type { Failpoint } from '../../../src/delivery/context.ts'
import { Random } from '../../conformance/random.ts'
import { pause } from '../../conformance/waiting.ts'
import { type Sum, total, type Violation } from './check.ts'
import type { Control } from './controls.ts'
import type { Behaviour } from './endpoints.ts'
import { Load } from './load.ts'
import { type BrokerType, Stage, type StoreType } from './stage.ts'

export interface KillRun {
  readonly seed: number
  readonly store: StoreType
  readonly broker: BrokerType
  /** Where the gateway ends itself, one round each. */
  readonly points: readonly Failpoint[]
  readonly control?: Control
}

export interface KillReport {
  readonly kills: number
  readonly acknowledged: number
  readonly repeated: number
  readonly violations: readonly Violation[]
  readonly sums: readonly Sum[]
  readonly line: string
}

/** Every place but those of a redrive, which have a run of their own. */
export const livePoints: readonly Failpoint[] = [
  'before-match',
  'after-match',
  'before-attempt',
  'after-attempt',
  'before-row',
  'after-row',
  'before-settle',
  'after-settle',
]

/** More than an event may have matches before each of them gets a row first. */
const many = 66
/** A place that is not come to within this time is a defect of the run. */
const dieMs = 30_000
const quick = { schedule: Array.from({ length: 40 }, () => '200ms') }
const retries = { timeout: '3s', retry: { schedule: Array.from({ length: 40 }, () => '1s') } }

/** Publishes under load while gateways end themselves at places of their delivery, and has the ledger checked. */
export async function killWhileDelivering({ seed, store, broker, points, control }: KillRun): Promise<KillReport> {
  const stage = await Stage.create({ store, broker, ...(control && { control }) })
  const random = new Random(seed)
  const load = new Load(stage.topic, [stage.replica], {
    seed,
    publishers: 3,
    batch: 12,
    paceMs: 60,
    keys: 5,
    types: { 'load.slow': 2, 'load.bad': 3, 'load.wide': 0.5, 'load.odd': 10 },
  })
  try {
    const { replica } = stage
    replica.start()
    const heal = await subscribeAll(stage)
    await replica.kill()
    let running = false
    for (const at of points) {
      replica.start({ at, nth: nthOf(at, random) })
      await replica.url()
      if (!running) load.start()
      running = true
      await dies(replica.gone, at)
    }
    heal()
    replica.start()
    if (!running) load.start()
    await load.acknowledges(100)
    await load.stop()
    const { violations, sums } = await stage.settled(load)
    const kills = replica.kills.length - 1
    const { acknowledged, repeated } = load
    const where = `${store} and ${broker}${control === undefined ? '' : `, ${control}`}`
    const line = `SLUICE_SEED=${seed} on ${where}: ${kills} kills, ${acknowledged} events acknowledged (${repeated} published again), ${total(sums)}; ${violations.length} violations`
    return { kills, acknowledged, repeated, violations, sums, line }
  } catch (error) {
    throw new Error(`SLUICE_SEED=${seed}, ${store}, ${broker}: ${error}\n${stage.replica.errors}`, { cause: error })
  } finally {
    await load.stop().catch(() => undefined)
    await stage.remove()
  }
}

/** One of each kind. What fails goes on to fail until what is answered is called. */
async function subscribeAll(stage: Stage): Promise<() => void> {
  const { endpoints } = stage
  let healed = false
  const sick: Behaviour = () => ({ status: healed ? 200 : 503 })
  // Each event's first attempts fail, some of them: by what it is called, so that a crash changes nothing.
  const flaky: Behaviour = ({ event, attempt }) => ({ status: hash(event) % 10 === 0 && attempt <= 2 ? 500 : 200 })
  const typed = (type: string) => ({ filters: [{ exact: { type } }] })

  await stage.subscribe('/healthy', { policy: retries })
  endpoints.behave('/slow', () => ({ status: 200, afterMs: 1200 }))
  await stage.subscribe(
    '/slow',
    { ...typed('load.slow'), policy: { ...retries, concurrency: 100 } },
    { wants: ({ type }) => type === 'load.slow' },
  )
  // An attempt again that lasts longer than the gateway waits until it looks for rows: whoever else gets the row is seen.
  const slowly: Behaviour = ({ event, attempt }) => {
    if (attempt > 1) return { status: 200, afterMs: 1500 }
    return { status: hash(event) % 4 === 0 ? 500 : 200 }
  }
  endpoints.behave('/again', slowly)
  await stage.subscribe('/again', { policy: { ...retries, concurrency: 100 } })
  endpoints.behave('/failing', sick)
  const failing = { ...retries, breaker: { minimum: 100_000 } }
  await stage.subscribe(
    '/failing',
    { ...typed('load.odd'), policy: failing },
    { wants: ({ type }) => type === 'load.odd' },
  )
  endpoints.behave('/broken', sick)
  const broken = { ...retries, breaker: { minimum: 5, cooldown: '1s' } }
  await stage.subscribe('/broken', { policy: broken })
  endpoints.behave('/dying', () => ({ status: 418 }))
  await stage.subscribe(
    '/dying',
    { ...typed('load.bad'), policy: { ...failing, retry: { schedule: ['200ms'] } } },
    { wants: ({ type }) => type === 'load.bad', deadAfter: 2 },
  )
  endpoints.behave('/ordered', flaky)
  await stage.subscribe('/ordered', { ordering: 'key', policy: { ...failing, retry: quick } })
  for (let one = 0; one < many; one++) {
    await stage.subscribe(
      `/wide/${one}`,
      { ...typed('load.wide'), policy: retries },
      { wants: ({ type }) => type === 'load.wide' },
    )
  }
  return () => {
    healed = true
  }
}

/** Some are come to with every event, others with every batch. */
function nthOf(at: Failpoint, random: Random): number {
  if (at.endsWith('attempt')) return random.between(1, 400)
  return random.between(1, at.endsWith('match') ? 20 : 30)
}

async function dies(gone: Promise<unknown>, at: Failpoint): Promise<void> {
  const late = pause(dieMs).then(() => {
    throw new Error(`The gateway did not come to ${at} within ${dieMs} ms.`)
  })
  late.catch(() => undefined)
  await Promise.race([gone, late])
}

function hash(text: string): number {
  let sum = 0
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)!) >>> 0
  return sum
}
