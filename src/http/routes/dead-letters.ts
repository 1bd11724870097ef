import { z } from 'zod'
import { requireDeadLetters } from '../../core/capabilities.ts'
import { invalid } from '../../core/errors.ts'
import { pageMax } from '../../core/limits.ts'
import { structuredBytes } from '../../core/structured.ts'
import { readJson } from '../body.ts'
import type { Gateway } from '../gateway.ts'
import { type Call, json, param, query, type Route, refuseQuery } from '../route.ts'
import { cloudEvent, count } from '../schemas.ts'
import { asked, groupPath } from './groups.ts'
import { tended } from './tended.ts'

const path = `${groupPath}/dead`
const decoder = new TextDecoder()

const deadLetterSchema = z
  .strictObject({
    id: z.string(),
    reason: z.string(),
    attempts: z.int(),
    deadAt: z.iso.datetime(),
    position: z.string().optional(),
    event: cloudEvent,
  })
  .meta({ id: 'DeadLetter' })

export function deadLetterRoutes(gateway: Gateway): Route[] {
  const listQuery = z.strictObject({ limit: count(pageMax).optional(), cursor: z.string().min(1).max(256).optional() })
  const redriveBody = z.strictObject({
    ids: z.array(z.string().min(1).max(256)).min(1).max(pageMax).optional(),
    all: z.literal(true).optional(),
  })

  async function list(call: Call): Promise<Response> {
    const { topic, group, source } = tended(call)
    const { letters, limit, cursor } = await asked(topic.brokerTopic, source, group, () => {
      const letters = requireDeadLetters(source)
      const { limit = gateway.limits.list, cursor } = query(call, listQuery)
      return { letters, limit, cursor }
    })
    const page = { limit: limit + 1, ...(cursor !== undefined && { after: cursor }) }
    const found = await letters.list(topic.brokerTopic, group, page)
    const items = found.slice(0, limit).map(({ id, reason, attempts, deadAt, position, event }) => {
      const head = { id, reason, attempts, deadAt: new Date(deadAt).toISOString(), ...(position && { position }) }
      return `${JSON.stringify(head).slice(0, -1)},"event":${decoder.decode(structuredBytes(event))}}`
    })
    const next = found.length > limit ? `,"next":${JSON.stringify(found[limit - 1]!.id)}` : ''
    return new Response(`{"items":[${items.join(',')}]${next}}`, { headers: { 'content-type': 'application/json' } })
  }

  async function redrive(call: Call): Promise<Response> {
    const { topic, group, source } = tended(call)
    const { letters, ids } = await asked(topic.brokerTopic, source, group, async () => {
      const letters = requireDeadLetters(source)
      const { ids, all } = await readJson(call, redriveBody)
      if ((ids === undefined) === (all === undefined)) throw invalid('/ids', 'give either ids, or all: true')
      return { letters, ids }
    })
    return json({ redriven: await letters.redrive(topic.brokerTopic, group, ids ?? 'all') })
  }

  async function remove(call: Call): Promise<Response> {
    const { topic, group, source } = tended(call)
    const letters = await asked(topic.brokerTopic, source, group, () => {
      const letters = requireDeadLetters(source)
      refuseQuery(call)
      return letters
    })
    await letters.delete(topic.brokerTopic, group, param(call, 'id'))
    return new Response(null, { status: 204 })
  }

  return [
    {
      method: 'GET',
      path,
      access: 'key',
      handle: list,
      doc: {
        summary: 'The dead letters of a group, oldest first',
        tag: 'Pull',
        query: listQuery,
        answers: {
          200: {
            'application/json': z.strictObject({ items: z.array(deadLetterSchema), next: z.string().optional() }),
          },
        },
      },
    },
    {
      method: 'POST',
      path: `${path}/redrive`,
      access: 'key',
      handle: redrive,
      doc: {
        summary: 'Give dead letters to the group again',
        tag: 'Pull',
        body: { 'application/json': redriveBody },
        answers: { 200: { 'application/json': z.strictObject({ redriven: z.int() }) } },
      },
    },
    {
      method: 'DELETE',
      path: `${path}/:id`,
      access: 'key',
      handle: remove,
      doc: { summary: 'Delete a dead letter', tag: 'Pull', answers: { 204: null } },
    },
  ]
}
