import type { Broker } from '../brokers/broker.ts'
import { startGateway } from '../brokers/contest.ts'
import { eventBytes } from '../load/job.ts'
import { startLoad } from '../load.ts'
import { wholeLog } from '../measure/count.ts'
import type { Lab } from '../measure/lab.ts'
import { fill } from '../measure/read.ts'
import { points } from '../memory.ts'

/** Many slow readers and a fast one, all from the beginning of a long log. */
export interface LagRun {
  readonly events: number
  readonly eventBytes: number
  readonly slowReaders: number
  readonly slowBytesPerSecond: number
  readonly seconds: number
  /** What the fast one reads meanwhile. */
  readonly fastPerSecond: number
  readonly failures: number
  readonly failure: string | undefined
  /** Resident megabytes of the gateway: before a reader came, and the most afterwards. */
  readonly idleMB: number
  readonly maxMB: number
  /** The most of every second. */
  readonly series: readonly number[]
}

const events = 1_000_000
const slowReaders = 50
const slowBytesPerSecond = 4096
const sampleMs = 100
const samplesPerPoint = 10

export async function measureLag(lab: Lab, broker: Broker): Promise<LagRun> {
  const wanted = lab.options.quick ? events / 10 : events
  const seconds = lab.options.quick ? 5 : 30
  const topic = 'lag'
  const filler = await startGateway(lab, broker, topic)
  lab.progress(`memory · publishing ${wanted} events`)
  await fill(filler, wanted)
  await filler.server.stop()
  const lag = await broker.stored(topic)
  // Its memory is to be that of reading.
  const gateway = await startGateway(lab, broker, topic)
  const { server } = gateway
  const samples: number[] = []
  const idleMB = server.usage().rssMB
  const watch = setInterval(() => {
    samples.push(server.usage().rssMB)
    if (samples.length % (10 * samplesPerPoint) === 0) lab.progress(`memory · ${Math.round(samples.at(-1)!)} MB`)
  }, sampleMs)
  const load = startLoad(lab.releases)
  try {
    const slowly = load.run({
      kind: 'slow',
      path: wholeLog,
      port: server.port,
      token: lab.options.token,
      connections: slowReaders,
      bytesPerSecond: slowBytesPerSecond,
      seconds,
    })
    const [slow, { outcome: fast }] = await Promise.all([
      slowly,
      gateway.run({ kind: 'read', path: wholeLog, connections: 1, seconds: seconds / 2 }),
    ])
    const failed = [slow, fast]
    return {
      events: lag,
      eventBytes,
      slowReaders,
      slowBytesPerSecond,
      seconds,
      fastPerSecond: fast.events / fast.seconds,
      failures: failed.reduce((sum, { failures }) => sum + failures, 0),
      failure: failed.find(({ failure }) => failure !== undefined)?.failure,
      idleMB,
      maxMB: Math.max(...samples),
      series: points(samples, samplesPerPoint),
    }
  } finally {
    clearInterval(watch)
    await load.stop()
    await server.stop()
    await broker.remove(topic)
  }
}
