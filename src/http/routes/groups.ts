import { z } from 'zod'
import type { GroupState } from '../../core/broker.ts'
import { requirePortableReceipt, requireSeek } from '../../core/capabilities.ts'
import { formatDuration } from '../../core/duration.ts'
import { GatewayError, invalid, toGatewayError } from '../../core/errors.ts'
import { isTime } from '../../core/event.ts'
import type { PullSource } from '../../core/group.ts'
import { leaseRange } from '../../core/limits.ts'
import type { OpenTopic } from '../../core/topic.ts'
import { checkGroupName } from '../../core/topic-name.ts'
import { readJson, readValue } from '../body.ts'
import { outward, startOf } from '../cursors.ts'
import { entityTag, requireMatch } from '../etag.ts'
import type { Gateway } from '../gateway.ts'
import { isMembers } from '../merge-patch.ts'
import { type Call, findTopic, json, param, type Route, refuseQuery, topicFor, topicOrNew, validate } from '../route.ts'
import { duration, ifMatch } from '../schemas.ts'
import { requireCapabilities, requireGroup } from '../subscribing.ts'

export const groupPath = '/v1/topics/:topic/groups/:group'

const groupSchema = z
  .strictObject({
    topic: z.string(),
    group: z.string(),
    start: z.string(),
    lease: z.string(),
    maxAttempts: z.int(),
    lag: z.strictObject({ events: z.int(), oldestSeconds: z.number() }).optional(),
    inFlight: z.int(),
  })
  .meta({ id: 'Group' })

export function groupRoutes(gateway: Gateway): Route[] {
  const { limits } = gateway
  const putBody = z.strictObject({
    start: z.string().default('latest'),
    lease: duration(leaseRange.max, leaseRange.min).optional(),
    maxAttempts: z.int().min(1).max(1000).default(16),
  })
  const seekBody = z.strictObject({ to: z.string() })
  async function put(call: Call): Promise<Response> {
    // Before the name is looked at, and no topic is made for one that is wrong.
    findTopic(call, 'consume')
    const group = groupName(call)
    const topic = await topicOrNew(call, 'consume')
    requirePortableReceipt(topic.pulls.capabilities)
    await requireGroup(topic, (other) => other === group)
    const raw = await readValue(call)
    if (isMembers(raw)) requireCapabilities(topic, { start: raw.start })
    refuseQuery(call)
    const body = validate(putBody, raw)
    const start = startOf(topic, body.start, '/start')
    const options = { start, leaseMs: body.lease ?? limits.lease, maxAttempts: body.maxAttempts }
    if (call.request.headers.has('if-match')) requireMatch(call, await tagIfThere(topic, group))
    const created = await topic.pulls.groups.create(topic.brokerTopic, group, options)
    const state = await topic.pulls.groups.describe(topic.brokerTopic, group)
    return show(call, topic, group, state, created ? 201 : 200)
  }

  async function tagIfThere(topic: OpenTopic, group: string): Promise<string | undefined> {
    try {
      return tagOf(gateway, group, await topic.pulls.groups.describe(topic.brokerTopic, group))
    } catch (error) {
      if (toGatewayError(error).code === 'not_found') return undefined
      throw error
    }
  }

  async function get(call: Call): Promise<Response> {
    const { topic, group } = pullable(call)
    await asked(topic.brokerTopic, topic.pulls, group, () => refuseQuery(call))
    return show(call, topic, group, await topic.pulls.groups.describe(topic.brokerTopic, group))
  }

  async function remove(call: Call): Promise<Response> {
    const { topic, group } = pullable(call)
    await asked(topic.brokerTopic, topic.pulls, group, () => refuseQuery(call))
    const state = await topic.pulls.groups.describe(topic.brokerTopic, group)
    requireMatch(call, tagOf(gateway, group, state))
    await topic.pulls.groups.delete(topic.brokerTopic, group)
    topic.groups.forget(topic.brokerTopic, group)
    return new Response(null, { status: 204 })
  }

  async function seek(call: Call): Promise<Response> {
    const { topic, group } = pullable(call)
    const { move, start } = await asked(topic.brokerTopic, topic.pulls, group, async () => {
      const move = requireSeek(topic.pulls)
      const { to } = await readJson(call, seekBody)
      return { move, start: startOf(topic, to, '/to') }
    })
    const before = await topic.pulls.groups.describe(topic.brokerTopic, group)
    requireMatch(call, tagOf(gateway, group, before))
    await move(topic.brokerTopic, group, start)
    return show(call, topic, group, await topic.pulls.groups.describe(topic.brokerTopic, group))
  }

  const group200 = { 200: { 'application/json': groupSchema } }
  return [
    {
      method: 'PUT',
      path: groupPath,
      access: 'key',
      handle: put,
      doc: {
        summary: 'Create a durable group; an existing one is left as it is',
        tag: 'Pull',
        headers: ifMatch,
        body: { 'application/json': putBody },
        answers: { ...group200, 201: { 'application/json': groupSchema } },
      },
    },
    {
      method: 'GET',
      path: groupPath,
      access: 'key',
      handle: get,
      doc: { summary: 'A group and its lag', tag: 'Pull', answers: group200 },
    },
    {
      method: 'DELETE',
      path: groupPath,
      access: 'key',
      handle: remove,
      doc: { summary: 'Delete a group', tag: 'Pull', headers: ifMatch, answers: { 204: null } },
    },
    {
      method: 'POST',
      path: `${groupPath}/seek`,
      access: 'key',
      handle: seek,
      doc: {
        summary: 'Move a group',
        tag: 'Pull',
        headers: ifMatch,
        body: { 'application/json': seekBody },
        answers: group200,
      },
    },
  ]
}

/** The topic and group of the path, where groups can be pulled over HTTP. */
export function pullable(call: Call): { topic: OpenTopic; group: string } {
  const topic = topicFor(call, 'consume')
  const group = groupName(call)
  requirePortableReceipt(topic.pulls.capabilities)
  return { topic, group }
}

/** What is asked of a group, by `read`: where that is refused, and there is no such group, the latter comes first. */
export async function asked<T>(
  topic: string,
  { groups }: Pick<PullSource, 'groups'>,
  group: string,
  read: () => T | Promise<T>,
): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (isRefusal(error)) {
      await groups.describe(topic, group).catch((absent: unknown) => {
        if (toGatewayError(absent).code === 'not_found') throw absent
      })
    }
    throw error
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof GatewayError && (error.code === 'unsupported' || error.code === 'invalid_argument')
}

/** Groups that feed the gateway's own deliveries: whoever pulled one would take events away from subscriptions. */
export function isOwnGroup(group: string): boolean {
  return group.startsWith('sluice.')
}

function groupName(call: Call): string {
  const group = param(call, 'group')
  checkGroupName(group)
  if (isOwnGroup(group)) throw invalid('/group', 'Names that begin with sluice. belong to the gateway itself.')
  return group
}

function show(call: Call, topic: OpenTopic, group: string, state: GroupState, status = 200): Response {
  const { leaseMs, maxAttempts, lag, inFlight } = state
  const start =
    ['earliest', 'latest'].includes(state.start) || isTime(state.start) ? state.start : outward(topic, state.start)
  const body = {
    topic: topic.name,
    group,
    start,
    lease: formatDuration(leaseMs),
    maxAttempts,
    ...(lag !== undefined && { lag: { events: lag.events, oldestSeconds: lag.oldestMs / 1000 } }),
    inFlight,
  }
  return json(body, status, { etag: tagOf(call.gateway, group, state) })
}

/** Of what a group is, not of how far it is. */
function tagOf(gateway: Gateway, group: string, state: GroupState): string {
  return entityTag(gateway, [group, state.start, state.leaseMs, state.maxAttempts])
}
