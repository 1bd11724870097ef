import type { Broker } from '../brokers/broker.ts'
import { type Started, startBroker } from '../brokers/known.ts'
import { batch, ndjson, open } from '../brokers/publish.ts'
import type { Count } from '../measure/count.ts'
import { Lab } from '../measure/lab.ts'
import type { Measured } from '../measure/publish.ts'
import type { Row } from '../measure/row.ts'
import type { KafkaSection, SectionOptions } from '../options.ts'
import { closed, three } from './closed.ts'
import { type LagRun, measureLag } from './lag.ts'
import { read } from './read.ts'

interface KafkaResult {
  readonly rows: readonly Row[]
  readonly counts: readonly Count[]
  readonly lag: LagRun | undefined
}

const measurements: Record<Exclude<KafkaSection, 'memory'>, (lab: Lab, broker: Broker) => Promise<Measured>> = {
  closed,
  open,
  batch,
  ndjson,
  read,
  three,
}

/** On a single node, and the last section on three. */
export async function measureKafka(options: SectionOptions<'kafka', KafkaSection>): Promise<KafkaResult> {
  const lab = new Lab(options)
  const rows: Row[] = []
  const counts: Count[] = []
  let lag: LagRun | undefined
  let started: Started | undefined
  try {
    for (const section of options.only) {
      const name = section === 'three' ? 'kafka3' : 'kafka'
      if (started?.name !== name) {
        await started?.stop()
        started = await startBroker(lab, name)
      }
      const { broker } = started
      if (section === 'memory') {
        lag = await measureLag(lab, broker)
        continue
      }
      const measured = await measurements[section](lab, broker)
      rows.push(...measured.rows)
      counts.push(...measured.counts)
    }
    return { rows, counts, lag }
  } finally {
    await lab.releases.all()
  }
}
