import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Random } from '../conformance/random.ts'
import { pause } from '../conformance/waiting.ts'
import type { Orders } from '../delivery/faults/gateway-process.ts'
import { Load } from '../delivery/faults/load.ts'
import { Replica } from '../delivery/faults/replica.ts'
import { Client } from '../fixtures/client.ts'
import { entriesOf } from '../http/events.ts'
import { topicName } from './installation.ts'
import { compare, type Report } from './ledger.ts'

export interface KillRun {
  readonly seed: number
  readonly brokers: object
  /** The broker of the source, and that of the target. */
  readonly source: string
  readonly target: string
  /** Where the gateway ends itself, one after the other; a number is a kill after so many milliseconds. */
  readonly deaths: readonly (NonNullable<Orders['die']> | number)[]
  readonly control?: 'bridge-settles-first'
}

/** Against hanging: a group of Kafka notices after seconds that a member is gone. */
const drainMs = 90_000

/** Publishes to a source under load while the gateway dies again and again, and holds the target against it. */
export async function killWhileMoving(run: KillRun): Promise<Report & { made: number; kills: number }> {
  const { seed, brokers, source, target, deaths, control } = run
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bridge-kills-'))
  const [from, to] = [topicName('from'), topicName('to')]
  const ensure = { partitions: 4 }
  const config = {
    brokers,
    topics: { [from]: { broker: source, ensure }, [to]: { broker: target, ensure } },
    store: { type: 'sqlite', path: 'store.db' },
    bridges: [{ from, to, name: 'b' }],
  }
  const replica = new Replica({ config, folder, ...(control && { control }) })
  const load = new Load(from, [replica], {
    seed,
    publishers: 4,
    batch: 20,
    paceMs: 30,
    keys: 12,
    types: { 'load.other': 20 },
  })
  const random = new Random(seed)
  try {
    for (const death of deaths) {
      replica.start(typeof death === 'number' ? undefined : death)
      await replica.url()
      load.start()
      if (typeof death === 'number') {
        await pause(death + random.between(0, 200))
        await replica.kill()
      } else await replica.gone
      // What has no answer yet is asked for again as soon as the next one is there.
      const stopped = load.stop()
      replica.start()
      await stopped
      await replica.kill()
    }
    replica.start()
    const client = new Client(await replica.url())
    const report = await drained(() => entriesOf(client, to), load)
    return { ...report, made: load.made.size, kills: replica.kills.length }
  } finally {
    await replica.kill()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Looks until nothing is lost, or nothing has come for long. */
async function drained(entries: () => ReturnType<typeof entriesOf>, { made }: Load): Promise<Report> {
  const end = Date.now() + drainMs
  for (let quiet = 0, total = -1; ; await pause(250)) {
    const found = await entries()
    quiet = found.length === total ? quiet + 1 : 0
    total = found.length
    const events = found.map(({ event }) => event)
    const report = compare(made, events)
    const lost = report.violations.some((one) => one.startsWith('lost'))
    if (!lost || quiet > 60 || Date.now() > end) return report
  }
}
