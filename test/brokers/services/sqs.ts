import { startElasticMq } from './elasticmq.ts'
import { startFauxqs } from './fauxqs.ts'

/** What a client needs to know of the emulators; it may cross a process boundary as JSON. */
export interface SqsAccess {
  /** The most faithful for queues alone: ElasticMQ. */
  readonly queues: string
  /** The most faithful for SNS, and quick with FIFO queues of many keys: fauxqs. */
  readonly topics: string
}

export interface SqsServers extends SqsAccess {
  stop(): Promise<void>
}

/** Starts both emulators on loopback. */
export async function startSqs(progress: (line: string) => void = () => {}): Promise<SqsServers> {
  const elasticMq = await startElasticMq(progress)
  try {
    const fauxqs = await startFauxqs()
    return {
      queues: elasticMq.config.endpoint,
      topics: fauxqs.config.endpoint,
      stop: async () => {
        await Promise.all([elasticMq.stop(), fauxqs.stop()])
      },
    }
  } catch (error) {
    await elasticMq.stop()
    throw error
  }
}
