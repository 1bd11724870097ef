import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { until, within } from '../../conformance/waiting.ts'
import { type Sum, total, type Violation } from './check.ts'
import type { Place } from './gateway-process.ts'
import { Load } from './load.ts'
import { type BrokerType, Stage, type StoreType } from './stage.ts'

export interface DetachRun {
  readonly seed: number
  readonly store: StoreType
  readonly broker: BrokerType
  /** How many events are published while the endpoint is dead, at about 2,000 a second. */
  readonly events: number
  /** Where gateways end themselves while it heals, one after the other. */
  readonly deaths: readonly Place[]
}

export interface DetachReport {
  readonly violations: readonly Violation[]
  readonly sums: readonly Sum[]
  /** The most rows that waited at once, of any subscription. */
  readonly rows: number
  readonly line: string
}

const policy = {
  timeout: '3s',
  retry: { schedule: Array.from({ length: 50 }, () => '2s') },
  breaker: { minimum: 10, cooldown: '1s' },
}

/**
 * One endpoint is dead and one subscription is paused while much is published; one is made afterwards, from the beginning
 * of the log. Then all heals, while gateways end themselves in the middle of it.
 */
export async function catchUp({ seed, store, broker, events, deaths }: DetachRun): Promise<DetachReport> {
  const stage = await Stage.create({ store, broker })
  const { api, endpoints, replica } = stage
  const options = { seed, publishers: 4, batch: 100, paceMs: 100, keys: 50, types: {} }
  const load = new Load(stage.topic, [replica], options)
  try {
    replica.start()
    await stage.subscribe('/alive', { policy })
    endpoints.behave('/dead', () => ({ status: 503 }))
    const dead = await stage.subscribe('/dead', { policy })
    const paused = await stage.subscribe('/paused', { policy })
    await api.ask('POST', `/v1/subscriptions/${paused.id}/pause`)
    const began = performance.now()
    load.start()
    let rows = 0
    const looking = until(
      600_000,
      'everything is published',
      async () => {
        rows = Math.max(rows, ...(await api.subscriptions()).map(({ pending }) => pending.events))
        return load.acknowledged >= events
      },
      200,
    )
    await load.acknowledges(events)
    await looking
    await load.stop()
    const seconds = (performance.now() - began) / 1000
    const alive = async (): Promise<boolean> => endpoints.seen('/alive').length >= load.made.size
    await until(120_000, 'the others are untouched', alive)
    const states = await Promise.all([dead, paused].map(async ({ id }) => (await api.subscription(id)).feed))
    if (states.some((feed) => feed !== 'detached')) throw new Error(`They are ${states}.`)
    const size = store === 'sqlite' ? await sizeOf(join(stage.folder, 'store.db')) : 0
    await stage.subscribe('/history', { policy, start: 'earliest' })
    if (deaths.length > 0) await replica.kill()
    endpoints.behave('/dead', () => ({ status: 200 }))
    // Whichever process lives long enough answers.
    const resumed = api.ask('POST', `/v1/subscriptions/${paused.id}/resume`)
    for (const at of deaths) {
      replica.start({ at, nth: 1 })
      await within(60_000, `the gateway comes to ${at}`, replica.gone)
    }
    if (deaths.length > 0) replica.start()
    await resumed
    const { violations, sums } = await stage.settled(load, 300_000)
    const line = `SLUICE_SEED=${seed} on ${store} and ${broker}: ${load.acknowledged} events at ${Math.round(load.acknowledged / seconds)}/s, at most ${rows} rows of one subscription, store ${Math.round(size / 1024)} KiB, ${replica.kills.length} kills; ${total(sums)}; ${violations.length} violations`
    return { violations, sums, rows, line }
  } catch (error) {
    throw new Error(`SLUICE_SEED=${seed}, ${store}, ${broker}: ${error}\n${replica.errors}`, { cause: error })
  } finally {
    await load.stop().catch(() => undefined)
    await stage.remove()
  }
}

async function sizeOf(path: string): Promise<number> {
  const sizes = await Promise.all(
    [path, `${path}-wal`].map((name) =>
      stat(name).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((all, size) => all + size, 0)
}
