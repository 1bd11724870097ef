import { z } from 'zod'
import type { Operation } from '../store/operations.ts'
import { entityTag } from './etag.ts'
import type { Gateway } from './gateway.ts'
import { json } from './route.ts'

export const operationsPath = '/v1/operations'

/** How long work that a caller started is shown. */
export const operationSchema = z
  .strictObject({
    id: z.string(),
    kind: z.enum(['redrive', 'replay']),
    subscription: z.string(),
    state: z.enum(['running', 'paused', 'cancelled', 'succeeded', 'failed']),
    dryRun: z.literal(true).optional(),
    matched: z.int().optional(),
    done: z.int(),
    failed: z.int(),
    error: z.string().optional(),
    startedAt: z.iso.datetime(),
    finishedAt: z.iso.datetime().optional(),
  })
  .meta({ id: 'Operation' })

export const accepted = { 202: { 'application/json': operationSchema } }

export function showOperation(gateway: Gateway, operation: Operation, status = 200): Response {
  const headers = { etag: operationTag(gateway, operation) }
  if (status !== 202) return json(shown(operation), status, headers)
  return json(shown(operation), status, { ...headers, location: `${operationsPath}/${operation.id}` })
}

export function operationTag(gateway: Gateway, operation: Operation): string {
  return entityTag(gateway, [shown(operation)])
}

function shown(operation: Operation): z.input<typeof operationSchema> {
  const { id, subscription, what, state, matched, done, failed, error, startedAt, finishedAt } = operation
  return {
    id,
    kind: what.kind,
    subscription,
    state,
    ...(what.kind === 'replay' && what.dryRun && { dryRun: true }),
    ...(matched !== undefined && { matched }),
    done,
    failed,
    ...(error !== undefined && { error }),
    startedAt: new Date(startedAt).toISOString(),
    ...(finishedAt !== undefined && { finishedAt: new Date(finishedAt).toISOString() }),
  }
}
