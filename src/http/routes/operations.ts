import { z } from 'zod'
import { requireLog } from '../../core/capabilities.ts'
import { Ids } from '../../core/clock.ts'
import { GatewayError, invalid } from '../../core/errors.ts'
import type { Operation, OperationState, Replay } from '../../store/operations.ts'
import { readValue, refuseInput } from '../body.ts'
import { requireMatch } from '../etag.ts'
import { filtersForm } from '../filter-form.ts'
import type { Gateway } from '../gateway.ts'
import { accepted, operationSchema, operationsPath, operationTag, showOperation } from '../operation-view.ts'
import { namedSubscription, owned, refuseEnded } from '../owned.ts'
import { type Call, param, type Route, refuseQuery, validate } from '../route.ts'
import { ifMatch, rate, time } from '../schemas.ts'
import { storedStart } from '../subscribing.ts'

const path = `${operationsPath}/:id`

const replayForm = z.strictObject({
  subscription: z.string(),
  from: z.string(),
  to: z.union([z.literal('latest'), time], { error: 'must be latest, or a time like 2026-01-31T12:00:00Z' }).optional(),
  filters: filtersForm.default([]),
  ratePerSecond: rate.optional(),
  dryRun: z.boolean().default(false),
})

/** Replays, and the operations that they and redrives are. */
export function operationRoutes(gateway: Gateway): Route[] {
  const { store, webhooks, clock } = gateway
  const uuids = new Ids(clock)

  async function replay(call: Call): Promise<Response> {
    const raw = await readValue(call)
    const found = await namedSubscription(call, raw)
    const topic = gateway.topics.resolve(found.topic)
    if (topic !== undefined) requireLog(topic.broker)
    refuseQuery(call)
    const { from, to, filters, ratePerSecond, dryRun } = validate(replayForm, raw)
    if (topic === undefined)
      throw new GatewayError('conflict', `The configuration has no topic ${found.topic} any more.`)
    if (from === 'latest') throw invalid('/from', 'must be earliest, a cursor, or a time: from latest there is nothing')
    const start = storedStart(topic, from, '/from')
    const end = to === undefined || to === 'latest' ? undefined : Date.parse(to)
    if (end !== undefined && Date.parse(from) > end) throw invalid('/to', 'must not be before from')
    refuseEnded(found)
    const what: Replay = {
      kind: 'replay',
      epoch: topic.epoch,
      from: start,
      ...(end !== undefined && { to: end }),
      filters,
      ...(ratePerSecond !== undefined && { ratePerSecond }),
      dryRun,
      next: start,
    }
    const operation: Operation = {
      id: `op_${uuids.uuid()}`,
      subscription: found.id,
      topic: found.topic,
      what,
      state: 'running',
      done: 0,
      failed: 0,
      startedAt: clock.now(),
    }
    await store.operations.create(operation)
    webhooks.changed()
    return showOperation(gateway, operation, 202)
  }

  async function find(call: Call): Promise<Operation> {
    return owned(call, 'operation', await store.operations.get(param(call, 'id')))
  }

  async function get(call: Call): Promise<Response> {
    const found = await find(call)
    refuseQuery(call)
    return showOperation(gateway, found)
  }

  /** Being there already is as good as getting there. */
  async function move(call: Call, from: readonly OperationState[], to: OperationState): Promise<Response> {
    const found = await find(call)
    await refuseInput(call)
    requireMatch(call, operationTag(gateway, found))
    const moved = await store.operations.transition(found.id, from, to, clock.now())
    if (moved) webhooks.changed()
    const now = await find(call)
    if (!moved && now.state !== to) throw new GatewayError('conflict', `The operation is ${now.state}.`)
    return showOperation(gateway, now)
  }

  const answer = { 200: { 'application/json': operationSchema } }
  const action = (name: string, summary: string, from: readonly OperationState[], to: OperationState): Route => ({
    method: 'POST',
    path: `${path}/${name}`,
    access: 'key',
    handle: (call) => move(call, from, to),
    doc: { summary, tag: 'Replays', headers: ifMatch, answers: answer },
  })
  return [
    {
      method: 'POST',
      path: '/v1/replays',
      access: 'key',
      handle: replay,
      doc: {
        summary: 'Read a range of the log again for one subscription; its live position is untouched',
        tag: 'Replays',
        body: { 'application/json': replayForm },
        answers: accepted,
      },
    },
    {
      method: 'GET',
      path,
      access: 'key',
      handle: get,
      doc: { summary: 'A replay or a redrive, and how far it is', tag: 'Replays', answers: answer },
    },
    action('pause', 'Pause an operation', ['running'], 'paused'),
    action('resume', 'Resume an operation that is paused', ['paused'], 'running'),
    action('cancel', 'Cancel an operation', ['running', 'paused'], 'cancelled'),
  ]
}
