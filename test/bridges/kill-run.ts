import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Random } from '../conformance/random.ts'
import { pause } from '../conformance/waiting.ts'
import type { Orders } from '../delivery/faults/gateway-process.ts'
import { Load } from '../delivery/faults/load.ts'
import { Replica } from '../delivery/faults/replica.ts'
import { Client } from '../fixtures/client.ts'
import { brokersOf, topicOn, type Word } from './brokers.ts'
import { topicName } from './installation.ts'
import { compare, type Report } from './ledger.ts'
import { Witness } from './witness.ts'

export interface KillRun {
  readonly seed: number
  /** The broker of the source, and that of the target. */
  readonly source: Word
  readonly target: Word
  /** Where the gateway ends itself, one after the other; a number is a kill after so many milliseconds. */
  readonly deaths: readonly (NonNullable<Orders['die']> | number)[]
  readonly control?: 'bridge-settles-first'
}

export interface KillReport extends Report {
  readonly made: number
  readonly kills: number
}

/** From each broker that keeps a log to one that does not, and back. */
export const pairs: readonly [Word, Word][] = [
  ['local', 'main'],
  ['main', 'local'],
  ['jobs', 'main'],
  ['main', 'jobs'],
]

/** Against hanging: a group of Kafka notices after seconds that a member is gone. */
const drainMs = 90_000

/** Publishes to a source under load while the gateway dies again and again, and holds the target against it. */
export async function killWhileMoving(run: KillRun): Promise<KillReport> {
  const { seed, source, target, deaths, control } = run
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bridge-kills-'))
  const [from, to] = [topicName('from'), topicName('to')]
  const config = {
    brokers: await brokersOf(source, target),
    topics: { [from]: topicOn(source), [to]: topicOn(target) },
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
    await witnessed(replica, to)
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
    const report = await drained(await Witness.of(new Client(await replica.url()), to), load)
    return { ...report, made: load.made.size, kills: replica.kills.length }
  } finally {
    await replica.kill()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Makes a witness that is there before the first event. */
async function witnessed(replica: Replica, topic: string): Promise<void> {
  replica.start()
  await Witness.of(new Client(await replica.url()), topic)
  await replica.stop()
}

/** Looks until nothing is lost, or nothing has come for long. */
async function drained(witness: Witness, { made }: Load): Promise<Report> {
  const end = Date.now() + drainMs
  for (let quiet = 0, total = -1; ; await pause(250)) {
    const events = await witness.events()
    quiet = events.length === total ? quiet + 1 : 0
    total = events.length
    const report = compare(made, events)
    const lost = report.violations.some((one) => one.startsWith('lost'))
    if (!lost || quiet > 60 || Date.now() > end) return report
  }
}

/** One line for whoever reads the output of a run. */
export function summary(seed: number, { made, kills, checked, repeated, violations }: KillReport): string {
  return `SLUICE_SEED=${seed}: ${kills} kills, ${made} events published, ${checked} checked, ${repeated} came again, ${violations.length} violations`
}
