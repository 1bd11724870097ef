import { z } from 'zod'
import { Ids } from '../../core/clock.ts'
import { GatewayError, invalid } from '../../core/errors.ts'
import type { Operation, Redrive } from '../../store/operations.ts'
import { readValue } from '../body.ts'
import type { Gateway } from '../gateway.ts'
import { accepted, showOperation } from '../operation-view.ts'
import { namedSubscription, refuseEnded } from '../owned.ts'
import { type Call, param, type Route, refuseQuery, validate } from '../route.ts'
import { rate, time } from '../schemas.ts'
import { deliveriesPath } from './deliveries.ts'

const redriveForm = z.strictObject({
  subscription: z.string(),
  status: z.literal('dead').default('dead'),
  ids: z.array(z.string().min(1).max(256)).min(1).max(1000).optional(),
  since: time.optional(),
  all: z.literal(true).optional(),
  ratePerSecond: rate.optional(),
})

/** Dead deliveries of one subscription, tried again. */
export function redriveRoutes(gateway: Gateway): Route[] {
  const { store, webhooks, clock } = gateway
  const uuids = new Ids(clock)

  async function redrive(call: Call): Promise<Response> {
    const raw = await readValue(call)
    const found = await namedSubscription(call, raw)
    refuseQuery(call)
    const { ids, since, all, ratePerSecond } = validate(redriveForm, raw)
    if ([ids, since, all].filter((one) => one !== undefined).length !== 1) {
      throw invalid('/ids', 'give one of ids, since and all: true')
    }
    refuseEnded(found)
    const now = clock.now()
    const what: Redrive = {
      kind: 'redrive',
      ...(ids !== undefined && { ids }),
      ...(since !== undefined && { since: Date.parse(since) }),
      before: now,
      ...(ratePerSecond !== undefined && { ratePerSecond }),
    }
    const operation: Operation = {
      id: `op_${uuids.uuid()}`,
      subscription: found.id,
      topic: found.topic,
      what,
      state: 'running',
      matched: 0,
      done: 0,
      failed: 0,
      startedAt: now,
    }
    await store.operations.create(operation)
    webhooks.changed()
    return showOperation(gateway, operation, 202)
  }

  return [
    {
      method: 'POST',
      // A fixed name beside a variable one would cost every route Hono's fastest router.
      path: `${deliveriesPath}/:id`,
      access: 'key',
      handle: (call) => {
        if (param(call, 'id') === 'redrive') return redrive(call)
        throw new GatewayError('not_found', 'There is no such path; /openapi.json lists them.')
      },
      doc: {
        summary: 'Try dead deliveries of a subscription again',
        tag: 'Deliveries',
        path: `${deliveriesPath}/redrive`,
        body: { 'application/json': redriveForm },
        answers: accepted,
      },
    },
  ]
}
