import type { Count } from '../measure/count.ts'
import { Lab } from '../measure/lab.ts'
import type { Measured } from '../measure/publish.ts'
import type { Row } from '../measure/row.ts'
import type { KafkaSection, SectionOptions } from '../options.ts'
import { Cluster } from './cluster.ts'
import { type LagRun, measureLag } from './lag.ts'
import { batch, closed, ndjson, open, three } from './publish.ts'
import { read } from './read.ts'

interface KafkaResult {
  readonly rows: readonly Row[]
  readonly counts: readonly Count[]
  readonly lag: LagRun | undefined
}

const measurements: Record<Exclude<KafkaSection, 'memory'>, (lab: Lab, cluster: Cluster) => Promise<Measured>> = {
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
  let cluster: Cluster | undefined
  try {
    for (const section of options.only) {
      const nodes = section === 'three' ? 3 : 1
      if (cluster?.nodes !== nodes) {
        await cluster?.stop()
        cluster = await Cluster.start(lab, nodes)
      }
      if (section === 'memory') {
        lag = await measureLag(lab, cluster)
        continue
      }
      const measured = await measurements[section](lab, cluster)
      rows.push(...measured.rows)
      counts.push(...measured.counts)
    }
    return { rows, counts, lag }
  } finally {
    await lab.releases.all()
  }
}
