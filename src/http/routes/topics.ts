import { z } from 'zod'
import type { Capabilities } from '../../core/broker.ts'
import { formatDuration } from '../../core/duration.ts'
import { GatewayError } from '../../core/errors.ts'
import { pageMax } from '../../core/limits.ts'
import type { Draining, OpenTopic } from '../../core/topic.ts'
import { checkTopicName } from '../../core/topic-name.ts'
import { requireScope } from '../access.ts'
import { entityTag } from '../etag.ts'
import { type Call, json, noTopic, param, query, type Route, refuseQuery } from '../route.ts'
import { capabilities, count } from '../schemas.ts'
import { isOwnGroup } from './groups.ts'

const listQuery = z.strictObject({ limit: count(pageMax).optional(), cursor: z.string().max(256).optional() })

const topicSummary = z
  .strictObject({ topic: z.string(), broker: z.string(), epoch: z.int(), dedupWindow: z.string() })
  .meta({ id: 'TopicSummary' })

/** What the topic was bound to before, until that is consumed to its end. */
const draining = z.strictObject({
  broker: z.string(),
  epoch: z.int(),
  since: z.iso.datetime(),
  deadline: z.iso.datetime(),
  emptied: z.boolean(),
  delayed: z.boolean(),
  groups: z.array(z.strictObject({ group: z.string(), events: z.int().optional() })),
})

const topicSchema = topicSummary
  .extend({
    draining: draining.optional(),
    capabilities,
    groups: z.array(z.string()),
    subscriptions: z.array(z.string()),
  })
  .meta({ id: 'Topic' })

const brokerSchema = z
  .strictObject({
    name: z.string(),
    type: z.string(),
    state: z.enum(['up', 'down']),
    error: z.string().optional(),
    capabilities: capabilities.optional(),
  })
  .meta({ id: 'Broker' })

function summary(topic: OpenTopic): z.output<typeof topicSummary> {
  const { name, brokerName, epoch, dedupWindowMs } = topic
  return { topic: name, broker: brokerName, epoch, dedupWindow: formatDuration(dedupWindowMs) }
}

/** What the gateway adds on top of a broker says so. */
function described(of: Capabilities, added: readonly string[] = []): z.output<typeof capabilities> {
  const by = (name: string) => (added.includes(name) ? ('gateway' as const) : ('broker' as const))
  return Object.fromEntries(Object.entries(of).map(([name, value]) => [name, { value, by: by(name) }]))
}

/** A page of names that are sorted: what comes after the cursor. */
function page<T>(call: Call, items: readonly T[], nameOf: (item: T) => string): { items: T[]; next?: string } {
  const { limit = call.gateway.limits.list, cursor } = query(call, listQuery)
  const rest = cursor === undefined ? items : items.filter((item) => nameOf(item) > cursor)
  const taken = rest.slice(0, limit)
  return rest.length > taken.length ? { items: taken, next: nameOf(taken.at(-1)!) } : { items: taken }
}

function listTopics(call: Call): Response {
  const topics = call.gateway.topics.list()
  const seen = topics.filter(({ name, isSystem }) => isSystem !== true && call.access.sees(name))
  const { items, next } = page(call, seen, ({ name }) => name)
  return json({ items: items.map(summary), ...(next !== undefined && { next }) })
}

async function getTopic(call: Call): Promise<Response> {
  const name = param(call, 'topic')
  checkTopicName(name)
  const topic = call.access.sees(name) ? call.gateway.topics.resolve(name) : undefined
  if (topic === undefined) throw noTopic()
  refuseQuery(call)
  const groups = await topic.pulls.groups.list(topic.brokerTopic)
  const body = {
    ...summary(topic),
    ...(topic.draining !== undefined && { draining: drainingOf(topic.draining) }),
    capabilities: described(topic.pulls.capabilities, topic.pulls.added),
    groups: groups.filter((group) => !isOwnGroup(group)),
    subscriptions: await subscriptionsOf(call, name),
  }
  return json(body, 200, { etag: entityTag(call.gateway, [body]) })
}

/** As this replica has seen it last. The gateway's own groups are told too: what they wait for, a topic waits for. */
function drainingOf({ brokerName, epoch, since, deadline, progress }: Draining): z.output<typeof draining> {
  return {
    broker: brokerName,
    epoch,
    since: new Date(since).toISOString(),
    deadline: new Date(deadline).toISOString(),
    emptied: progress.isEmptied,
    delayed: progress.hasDelayed,
    groups: progress.groups.map(({ group, events }) => ({ group, ...(events !== undefined && { events }) })),
  }
}

/** The ids of all of them. */
async function subscriptionsOf({ gateway }: Call, topic: string): Promise<string[]> {
  const ids: string[] = []
  for (;;) {
    const after = ids.at(-1)
    const page = await gateway.store.subscriptions.list({
      topic,
      limit: pageMax,
      ...(after !== undefined && { after }),
    })
    ids.push(...page.map(({ id }) => id))
    if (page.length < pageMax) return ids
  }
}

async function listBrokers(call: Call): Promise<Response> {
  requireScope(call.access, 'admin')
  const brokers = [...call.gateway.brokers.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const { items, next } = page(call, brokers, ({ name }) => name)
  const shown = await Promise.all(
    items.map(async ({ name, type, broker, error }) => {
      if (broker === undefined) return { name, type, state: 'down' as const, error: error ?? 'It could not be opened.' }
      const reason = await broker.health().then(
        () => undefined,
        // Only what an adapter wrote for the caller: a client library's text may hold an address or worse.
        (failure: unknown) => (failure instanceof GatewayError ? failure.message : 'It failed.'),
      )
      const state = reason === undefined ? ('up' as const) : ('down' as const)
      return {
        name,
        type,
        state,
        ...(reason !== undefined && { error: reason }),
        capabilities: described(broker.capabilities),
      }
    }),
  )
  return json({ items: shown, ...(next !== undefined && { next }) })
}

export const topicRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/topics',
    access: 'key',
    handle: listTopics,
    doc: {
      summary: 'The topics that the key can see',
      tag: 'Gateway',
      query: listQuery,
      answers: {
        200: { 'application/json': z.strictObject({ items: z.array(topicSummary), next: z.string().optional() }) },
      },
    },
  },
  {
    method: 'GET',
    path: '/v1/topics/:topic',
    access: 'key',
    handle: getTopic,
    doc: {
      summary: 'A topic, and what the broker behind it can do',
      tag: 'Gateway',
      answers: { 200: { 'application/json': topicSchema } },
    },
  },
  {
    method: 'GET',
    path: '/v1/brokers',
    access: 'key',
    handle: listBrokers,
    doc: {
      summary: 'The brokers and their state',
      tag: 'Gateway',
      query: listQuery,
      answers: {
        200: { 'application/json': z.strictObject({ items: z.array(brokerSchema), next: z.string().optional() }) },
      },
    },
  },
]
