import type { Count } from '../measure/count.ts'
import { Lab } from '../measure/lab.ts'
import type { Measured } from '../measure/publish.ts'
import type { Row } from '../measure/row.ts'
import type { BrokerName, BrokersOptions, BrokersSection } from '../options.ts'
import type { BrokerType } from '../server.ts'
import type { Broker } from './broker.ts'
import { consume } from './consume.ts'
import { startBroker } from './known.ts'
import { batch, full, ndjson, open } from './publish.ts'

export interface BrokerResult {
  readonly broker: BrokerName
  /** As the rows of the gateway are called. */
  readonly type: BrokerType
  readonly rows: readonly Row[]
  readonly counts: readonly Count[]
}

const measurements: Record<BrokersSection, (lab: Lab, broker: Broker) => Promise<Measured>> = {
  full,
  batch,
  ndjson,
  open,
  consume,
}

/** One broker after the other. */
export async function measureBrokers(options: BrokersOptions): Promise<BrokerResult[]> {
  const lab = new Lab(options)
  const results: BrokerResult[] = []
  try {
    for (const name of options.brokers) {
      const { broker, stop } = await startBroker(lab, name)
      const found: Measured[] = []
      for (const section of options.only) {
        lab.progress(`${name} · ${section}`)
        found.push(await measurements[section](lab, broker))
      }
      await stop()
      const rows = found.flatMap(({ rows }) => rows)
      const counts = found.flatMap(({ counts }) => counts)
      results.push({ broker: name, type: broker.type, rows, counts })
    }
    return results
  } finally {
    await lab.releases.all()
  }
}
