// The ceiling: the HTTP stack of the gateway (Hono on @hono/node-server, node:http with the same options) answering the
// same requests without looking at them and without storing. What the gateway is slower than this is its own doing.
import { type Context, Hono } from 'hono'
import { batchEvents } from './load/job.ts'
import { serveStack } from './stack.ts'

const json = { 'content-type': 'application/json' }
const lines = { 'content-type': 'application/x-ndjson' }
const LF = 0x0a

let position = 0

function receipt(): string {
  return `{"id":"${crypto.randomUUID()}","status":"stored","position":"${position++}"}`
}

function receipts(count: number): string[] {
  return Array.from({ length: count }, receipt)
}

const stock = receipts(8192).map((line) => `${line}\n`)
const stockBytes = Buffer.from(stock.join(''))
const stockOffsets = new Uint32Array(stock.length + 1)
for (let i = 0; i < stock.length; i++) stockOffsets[i + 1] = stockOffsets[i]! + stock[i]!.length

/** As many receipt lines as the chunk has ends of lines. */
function receiptsFor(chunk: Uint8Array): { count: number; bytes: Uint8Array } {
  let count = 0
  for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) count++
  return { count, bytes: stockBytes.subarray(0, stockOffsets[count]) }
}

function answerLines(request: Request): Response {
  const reader = request.body!.getReader()
  let stored = 0
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) {
          controller.enqueue(Buffer.from(`{"summary":{"stored":${stored},"failed":0,"unknown":0}}\n`))
          controller.close()
          return
        }
        const { count, bytes } = receiptsFor(value)
        if (count === 0) continue
        stored += count
        controller.enqueue(bytes)
        return
      }
    },
  })
  return new Response(body, { headers: lines })
}

/** Streams `bytes` bytes in blocks of the size that the gateway writes. The lines in them are of no interest. */
function answerRead(context: Context): Response {
  let left = Number(context.req.query('bytes'))
  const block = Buffer.alloc(256 << 10, ' ')
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const size = Math.min(left, block.length)
        if (size > 0) controller.enqueue(block.subarray(0, size))
        left -= size
        if (left === 0) controller.close()
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: 1 << 20 }),
  )
  return new Response(body, { headers: lines })
}

const app = new Hono()
app.get('/healthz', () => new Response('{"status":"ok"}', { headers: json }))
app.get('/v1/topics/:topic/events', answerRead)
app.post('/v1/topics/:topic/events', async (context) => {
  const type = context.req.header('content-type')
  if (type === 'application/x-ndjson') return answerLines(context.req.raw)
  await context.req.arrayBuffer()
  if (type === 'application/cloudevents-batch+json') {
    return new Response(`{"results":[${receipts(batchEvents).join(',')}]}`, { headers: json })
  }
  return new Response(`${receipt().slice(0, -1)},"topic":"bench"}`, { headers: json })
})

serveStack(app)
