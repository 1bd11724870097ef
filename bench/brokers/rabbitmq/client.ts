import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib'
import { serveClient } from '../client.ts'
import { queueOf, type RabbitEntry } from './entry.ts'

/** What no queue takes comes back, and is an error. */
const options = { persistent: true, mandatory: true, contentType: 'application/json' }
const prefetch = 1000
/** One acknowledgement stands for so many. */
const ackEvery = 100

serveClient(async ({ url }: RabbitEntry) => {
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createConfirmChannel()
  channel.on('return', () => connection.emit('error', new Error('A message came back: no queue takes it.')))
  return {
    batches: { size: 500, parallel: 3 },
    send: (topic, value, count) => send(channel, topic, value, count),
    consume: (topic, events, group) => consume(connection, queueOf(topic, group!), events),
  }
})

function send(channel: ConfirmChannel, topic: string, value: Buffer, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let open = count
    const confirmed = (error: unknown): void => {
      if (error) reject(error)
      else if (--open === 0) resolve()
    }
    for (let i = 0; i < count; i++) channel.publish(topic, 'bench', value, options, confirmed)
  })
}

async function consume(connection: ChannelModel, queue: string, events: number): Promise<number> {
  const channel = await connection.createChannel()
  await channel.prefetch(prefetch)
  const began = performance.now()
  let count = 0
  await new Promise<void>((resolve, reject) => {
    channel.on('error', reject)
    channel
      .consume(queue, (message) => {
        if (message === null) return reject(new Error(`Queue ${queue} is gone.`))
        if (++count > events) return
        if (count % ackEvery === 0 || count === events) channel.ack(message, true)
        if (count === events) resolve()
      })
      .catch(reject)
  })
  // Answered in turn: then the last acknowledgement is taken too.
  await channel.prefetch(prefetch)
  const ms = performance.now() - began
  await channel.close()
  return ms
}
