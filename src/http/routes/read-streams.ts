import type { LogBatch } from '../../core/broker.ts'
import { ByteWriter } from '../../core/bytes.ts'
import { outward } from '../cursors.ts'
import { Outlet } from '../outlet.ts'
import { batches, collect, type Reading, stopped, wants, writeEntry } from '../reading.ts'
import { type Call, ending } from '../route.ts'

/** What may wait for a reader before reading the log pauses. */
const bufferBytes = 1 << 20
const heartbeatMs = 15_000

/** The range as lines, then `{"next"}`. Where that is missing, the stream broke off. */
export async function streamLines(call: Call, reading: Reading): Promise<Response> {
  if (reading.waitMs > 0) return waitForLines(call, reading)
  const source = linesOf(call, reading)
  // The first step runs now: a refusal is a problem and not a broken stream.
  const first = await source.next()
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (first.done !== true) controller.enqueue(first.value)
      },
      async pull(controller) {
        try {
          const step = await source.next()
          if (step.done === true) controller.close()
          else controller.enqueue(step.value)
        } catch (error) {
          // Ended and not failed: a platform may put the text of an error into the answer.
          call.gateway.log('warn', 'A read broke off.', { topic: reading.topic.name, cause: String(error) })
          controller.close()
        }
      },
      async cancel() {
        await source.return()
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: bufferBytes }),
  )
  return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } })
}

async function* linesOf(call: Call, reading: Reading): AsyncGenerator<Uint8Array, void, void> {
  const signal = ending(call)
  const out = new ByteWriter(256 << 10)
  const left = { events: reading.limit ?? Number.POSITIVE_INFINITY }
  let next = ''
  for await (const batch of batches(reading, reading.from, { signal })) {
    next = writeBatch(call, reading, batch, left, out, () => out.byte(0x0a))
    if (out.length > 0) yield out.take()
    if (left.events === 0) break
  }
  if (signal.aborted) throw stopped()
  out.text(`${JSON.stringify({ next: outward(reading.topic, next) })}\n`)
  yield out.take()
}

/** What a page would hold, as lines: waiting is for the first event. */
async function waitForLines(call: Call, reading: Reading): Promise<Response> {
  const out = new ByteWriter(4096)
  let events = 0
  const next = await collect(call, reading, reading.limit ?? call.gateway.limits.batchEvents, bufferBytes, (record) => {
    writeEntry(out, record)
    out.byte(0x0a)
    events++
    return out.length
  })
  out.text(`${JSON.stringify({ next })}\n`)
  call.gateway.metrics.read(reading.topic.name, events)
  return new Response(out.take(), { headers: { 'content-type': 'application/x-ndjson' } })
}

/** Writes the events of a batch that are wanted; answers the cursor after what it covered. */
function writeBatch(
  call: Call,
  reading: Reading,
  batch: LogBatch,
  left: { events: number },
  out: ByteWriter,
  after: (cursor: string) => void,
): string {
  let events = 0
  let next = batch.cursor
  for (const record of batch.records) {
    if (!wants(reading, record)) continue
    writeEntry(out, record)
    after(record.cursor)
    events++
    if (--left.events === 0) {
      next = record.cursor
      break
    }
  }
  if (events > 0) call.gateway.metrics.read(reading.topic.name, events)
  return next
}

/** The log as server-sent events (WHATWG HTML, "Server-sent events"), live unless an end was asked for. */
export async function streamServerSentEvents(call: Call, reading: Reading): Promise<Response> {
  const out = new Outlet(bufferBytes)
  const signal = ending(call, out.gone)
  const follow = reading.to === undefined
  const source = batches(reading, reading.from, { follow, signal })[Symbol.asyncIterator]()
  // The first batch is there before the answer: it fixes the place, so that nothing published after is missed.
  const first = await source.next()
  pumpEvents(call, reading, source, first, out)
  return new Response(out.readable, {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
  })
}

async function pumpEvents(
  call: Call,
  reading: Reading,
  source: AsyncIterator<LogBatch>,
  first: IteratorResult<LogBatch>,
  out: Outlet,
): Promise<void> {
  const encoder = new TextEncoder()
  const writer = new ByteWriter(4096)
  const left = { events: reading.limit ?? Number.POSITIVE_INFINITY }
  const heartbeat = setInterval(() => {
    if (out.hasRoom) out.write(encoder.encode(': keep-alive\n\n'))
  }, heartbeatMs)
  try {
    let step = first
    out.write(encoder.encode(': connected\n\n'))
    // An id without data sets Last-Event-ID without an event: who reconnects before the first one misses nothing.
    if (step.done !== true && step.value.records.length === 0) {
      out.write(encoder.encode(`id: ${outward(reading.topic, step.value.cursor)}\n\n`))
    }
    while (step.done !== true && left.events > 0) {
      for (const record of step.value.records) {
        if (!wants(reading, record) || left.events === 0) continue
        writer.text(`id: ${outward(reading.topic, record.cursor)}\ndata: `)
        writeEntry(writer, record)
        writer.ascii('\n\n')
        left.events--
        call.gateway.metrics.read(reading.topic.name, 1)
      }
      if (writer.length > 0) out.write(writer.take())
      if (left.events === 0) break
      if (!(await out.room(call.gateway.limits.idle))) {
        // It takes nothing: what waits for it is let go, and it resumes from its last cursor.
        out.fail(new Error('The reader is too slow.'))
        break
      }
      step = await source.next()
    }
  } catch (error) {
    call.gateway.log('warn', 'A live read broke off.', { topic: reading.topic.name, cause: String(error) })
  } finally {
    clearInterval(heartbeat)
    out.close()
    await source.return?.()
  }
}
