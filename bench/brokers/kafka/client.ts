import { Consumer, MessagesStreamModes, Producer } from '@platformatic/kafka'
import { serveClient } from '../client.ts'
import { clientOptions, type KafkaEntry, producerOptions } from './library.ts'

serveClient(async ({ bootstrap }: KafkaEntry) => {
  const producer = new Producer(producerOptions([...bootstrap]))
  let consumer: Consumer | undefined
  return {
    batches: { size: 500, parallel: 3 },
    async send(topic, value, count) {
      await producer.send({ messages: Array.from({ length: count }, () => ({ topic, value })) })
    },
    consume(topic, events) {
      consumer ??= new Consumer({ ...clientOptions([...bootstrap]), groupId: `bench-${crypto.randomUUID()}` })
      return read(consumer, topic, events)
    },
  }
})

/** The whole topic. */
async function read(consumer: Consumer, topic: string, events: number): Promise<number> {
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false })
  const began = performance.now()
  let count = 0
  await new Promise<void>((resolve, reject) => {
    stream.on('error', reject).on('data', () => {
      if (++count === events) resolve()
    })
  })
  const ms = performance.now() - began
  await stream.close()
  return ms
}
