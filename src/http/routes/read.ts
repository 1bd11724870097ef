import { z } from 'zod'
import { ByteWriter } from '../../core/bytes.ts'
import { requireLog } from '../../core/capabilities.ts'
import { invalid } from '../../core/errors.ts'
import { isTime } from '../../core/event.ts'
import { pageMax } from '../../core/limits.ts'
import { readJson } from '../body.ts'
import { startOf } from '../cursors.ts'
import { entityTag } from '../etag.ts'
import type { Gateway } from '../gateway.ts'
import { collect, pageBytes, type Reading, writeEntry } from '../reading.ts'
import { type Call, findTopic, json, param, query, type Route, refuseQuery, topicFor, topicOrNew } from '../route.ts'
import { count, duration, logEntry } from '../schemas.ts'
import { issueTicket } from '../tickets.ts'
import { streamLines, streamServerSentEvents } from './read-streams.ts'

type Format = 'json' | 'ndjson' | 'sse'
const formats = new Map<string, Format>([
  ['application/json', 'json'],
  ['application/x-ndjson', 'ndjson'],
  ['text/event-stream', 'sse'],
])
const ticketBody = z.strictObject({ topic: z.string() })

export function readRoutes(gateway: Gateway): Route[] {
  const readQuery = z.strictObject({
    from: z.string().optional(),
    to: z.string().optional(),
    limit: count(999_999_999).optional(),
    wait: duration(gateway.limits.wait).optional(),
    key: z.string().min(1).optional(),
    type: z.string().min(1).optional(),
    ticket: z.string().optional(),
  })

  async function read(call: Call): Promise<Response> {
    // A reader that is early must find the topic when its first event comes.
    const topic = await topicOrNew(call, 'consume')
    const log = requireLog(topic.broker)
    const wanted = query(call, readQuery)
    const format = formatOf(call.request)
    const resume = format === 'sse' ? call.request.headers.get('last-event-id') : null
    const reading: Reading = {
      topic,
      log,
      from: startOf(topic, resume ?? wanted.from ?? 'latest', resume === null ? '/from' : '/last-event-id'),
      to: endOf(wanted.to),
      limit: wanted.limit,
      waitMs: wanted.wait ?? 0,
      key: wanted.key,
      type: wanted.type,
    }
    if (format === 'sse') return streamServerSentEvents(call, reading)
    if (format === 'ndjson') return streamLines(call, reading)
    return page(call, reading)
  }

  /** One page as JSON. A bounded part of the log is looked at, so a filter may find nothing and still advance. */
  async function page(call: Call, reading: Reading): Promise<Response> {
    const limit = reading.limit ?? gateway.limits.list
    if (limit > pageMax)
      throw invalid('/limit', `limit is at most ${pageMax} in JSON; ask for application/x-ndjson to get more`)
    const out = new ByteWriter(4096)
    out.ascii('{"events":[')
    let events = 0
    const next = await collect(call, { ...reading, limit }, limit, pageBytes, (record) => {
      if (events++ > 0) out.byte(0x2c)
      writeEntry(out, record)
      return out.length
    })
    out.text(`],"next":${JSON.stringify(next)}}`)
    gateway.metrics.read(reading.topic.name, events)
    return new Response(out.take(), { headers: { 'content-type': 'application/json' } })
  }

  async function one(call: Call): Promise<Response> {
    const topic = topicFor(call, 'consume')
    const log = requireLog(topic.broker)
    const record = await log.get(topic.brokerTopic, param(call, 'position'))
    refuseQuery(call)
    const out = new ByteWriter(1024)
    writeEntry(out, record)
    // What is stored at a place of a log stays as it is.
    const etag = entityTag(gateway, [topic.name, topic.epoch, record.position])
    return new Response(out.take(), { headers: { 'content-type': 'application/json', etag } })
  }

  async function ticket(call: Call): Promise<Response> {
    const { topic } = await readJson(call, ticketBody)
    const known = findTopic(call, 'consume', topic)
    if (known !== undefined) requireLog(known.broker)
    const issued = await issueTicket(gateway, call.access, topic)
    return json({ ticket: issued.ticket, expiresAt: new Date(issued.expiresAt).toISOString() })
  }

  return [
    {
      method: 'GET',
      path: '/v1/topics/:topic/events',
      access: 'ticket',
      handle: read,
      doc: {
        summary: 'Read the log: a page as JSON, all of it as lines, or live as server-sent events',
        tag: 'Read',
        query: readQuery,
        headers: z.object({ 'Last-Event-ID': z.string() }),
        answers: {
          200: {
            'application/json': z.strictObject({ events: z.array(logEntry), next: z.string() }),
            'application/x-ndjson': z.union([logEntry, z.strictObject({ next: z.string() })]),
            'text/event-stream': z.string(),
          },
        },
      },
    },
    {
      method: 'GET',
      path: '/v1/topics/:topic/events/:position',
      access: 'key',
      handle: one,
      doc: {
        summary: 'Read one event by its position',
        tag: 'Read',
        answers: { 200: { 'application/json': logEntry } },
      },
    },
    {
      method: 'POST',
      path: '/v1/tickets',
      access: 'key',
      handle: ticket,
      doc: {
        summary: 'Get a ticket that stands in for a key where headers cannot be sent',
        tag: 'Read',
        body: { 'application/json': ticketBody },
        answers: {
          200: { 'application/json': z.strictObject({ ticket: z.string(), expiresAt: z.iso.datetime() }) },
        },
      },
    },
  ]
}

/** What `Accept` prefers of the three, the first of equals; JSON where it names none. */
function formatOf(request: Request): Format {
  let best: { readonly format: Format; readonly quality: number } = { format: 'json', quality: 0 }
  for (const range of (request.headers.get('accept') ?? '').toLowerCase().split(',')) {
    const [type, ...parameters] = range.split(';').map((part) => part.trim())
    const format = formats.get(type!)
    const quality = Number(parameters.find((one) => one.startsWith('q='))?.slice(2) ?? 1)
    if (format !== undefined && quality > best.quality) best = { format, quality }
  }
  return best.format
}

function endOf(text: string | undefined): Date | 'latest' | undefined {
  if (text === undefined || text === 'latest') return text
  if (!isTime(text)) throw invalid('/to', 'must be latest, or a time like 2026-01-31T12:00:00Z')
  return new Date(text)
}
