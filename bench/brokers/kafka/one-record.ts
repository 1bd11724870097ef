// What a request costs that is one record to Kafka: the same HTTP stack as the ceiling's, and the client library's own
// producer, asked once for each request.
import { Producer } from '@platformatic/kafka'
import { Hono } from 'hono'
import { serveStack } from '../../stack.ts'
import { producerOptions } from './library.ts'

const json = { 'content-type': 'application/json' }
const [servers = '', topic = ''] = process.argv.slice(2)
const producer = new Producer(producerOptions(servers.split(',')))

const app = new Hono()
app.post('/v1/topics/:topic/events', async (context) => {
  const value = Buffer.from(await context.req.arrayBuffer())
  const { offsets } = await producer.send({ messages: [{ topic, value }] })
  const { partition, offset } = offsets![0]!
  const position = `${partition}:${offset}`
  return new Response(`{"id":"${crypto.randomUUID()}","status":"stored","position":"${position}","topic":"bench"}`, {
    headers: json,
  })
})
serveStack(app)
