import { startPostgres } from '../../test/brokers/services/postgres.ts'
import { Lab } from '../measure/lab.ts'
import type { Row } from '../measure/row.ts'
import type { FanoutOptions, FanoutSection } from '../options.ts'
import { among, latency, many, parked } from './apart.ts'
import { backlog, both } from './backlog.ts'
import type { Bench } from './bench.ts'
import { Receiver } from './receiving.ts'

/** More than a section needs at the most; they cost nothing. */
const ports = 1000

const measurements: Record<FanoutSection, (bench: Bench) => Promise<Row[]>> = {
  one: (bench) => backlog(bench, { name: '1 destination', destinations: 1, wanting: 'own', burst: 60_000 }),
  hundred: (bench) =>
    backlog(bench, { name: '1 of 100 destinations', destinations: 100, wanting: 'own', burst: 60_000 }),
  fifty: (bench) => backlog(bench, { name: 'each of 50 destinations', destinations: 50, wanting: 'all', burst: 1200 }),
  rows: (bench) => backlog(bench, { name: 'each of 100 destinations', destinations: 100, wanting: 'all', burst: 600 }),
  log: (bench) =>
    backlog(bench, {
      name: 'from the log, 1 destination',
      destinations: 1,
      wanting: 'own',
      burst: 20_000,
      paused: true,
    }),
  both,
  latency,
  among,
  parked,
  many,
}

export async function measureFanout(options: FanoutOptions): Promise<Row[]> {
  const lab = new Lab(options)
  const rows: Row[] = []
  try {
    const receiver = new Receiver(lab.releases)
    const opened = await receiver.open(ports)
    let database: Bench['database']
    if (options.store === 'postgres') {
      const server = await startPostgres()
      lab.releases.add(() => server.stop())
      database = () => server.database()
    }
    const bench = { lab, receiver, opened, database, parkedRows: options.parked }
    for (const section of options.only) rows.push(...(await measurements[section](bench)))
    return rows
  } finally {
    await lab.releases.all()
  }
}
