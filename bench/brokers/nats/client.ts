import { type Consumer, jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { serveClient } from '../client.ts'
import { connectOptions, type NatsEntry } from './entry.ts'

/** So many messages may be on their way to a consumer. */
const ahead = 1000

serveClient(async (entry: NatsEntry) => {
  const stream = jetstream(await connect(connectOptions(entry)))
  return {
    batches: { size: 500, parallel: 3 },
    async send(topic, value, count) {
      await Promise.all(Array.from({ length: count }, () => stream.publish(topic, value)))
    },
    consume: async (topic, events, group) => consume(await stream.consumers.get(topic, group), events),
  }
})

/** Each acknowledgement is answered by the server, as each that the gateway tells of is. */
async function consume(consumer: Consumer, events: number): Promise<number> {
  const began = performance.now()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let came = 0
  let settled = 0
  const messages = await consumer.consume({
    max_messages: ahead,
    callback(message) {
      if (++came > events) return
      message.ackAck().then((taken) => {
        if (!taken) reject(new Error('The server did not take an acknowledgement.'))
        else if (++settled === events) resolve()
      }, reject)
    },
  })
  await promise
  const ms = performance.now() - began
  await messages.close()
  return ms
}
