import { randomUUID } from 'node:crypto'
import { type Admin, CompressionTypes, Kafka, logLevel, Partitioners, type Producer } from 'kafkajs'
import type { PlainRecord } from './record.ts'

function connect(bootstrap: readonly string[]): Kafka {
  return new Kafka({ brokers: [...bootstrap], logLevel: logLevel.NOTHING })
}

/** Runs `work` with a producer that ends afterwards. */
export async function withProducer<T>(
  bootstrap: readonly string[],
  work: (producer: Producer) => Promise<T>,
  transactionalId?: string,
): Promise<T> {
  const producer = connect(bootstrap).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    ...(transactionalId !== undefined && { transactionalId, maxInFlightRequests: 1, idempotent: true }),
  })
  await producer.connect()
  return work(producer).finally(() => producer.disconnect())
}

export async function withAdmin<T>(bootstrap: readonly string[], work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = connect(bootstrap).admin()
  await admin.connect()
  return work(admin).finally(() => admin.disconnect())
}

export async function produceByKafkajs(
  bootstrap: readonly string[],
  topic: string,
  records: readonly PlainRecord[],
  compression: 'none' | 'gzip' = 'none',
): Promise<void> {
  const messages = records.map(({ key, value, headers }) => ({ key, value, headers: Object.fromEntries(headers) }))
  const codec = compression === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None
  await withProducer(bootstrap, (producer) => producer.send({ topic, messages, compression: codec }))
}

/** The first `count` records of a topic. */
export async function consumeByKafkajs(
  bootstrap: readonly string[],
  topic: string,
  count: number,
): Promise<PlainRecord[]> {
  const consumer = connect(bootstrap).consumer({ groupId: `kafkajs-${randomUUID()}`, maxWaitTimeInMs: 100 })
  const records: PlainRecord[] = []
  const { promise, resolve, reject } = Promise.withResolvers<PlainRecord[]>()
  consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || reject(payload.error))
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message: { key, value, headers = {} } }) => {
      const pairs = Object.entries(headers).map(([name, text]): [string, string] => [name, String(text)])
      records.push({ key, value, headers: pairs })
      if (records.length === count) resolve(records)
    },
  })
  return promise.finally(() => consumer.disconnect())
}
