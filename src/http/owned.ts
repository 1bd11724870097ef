import { z } from 'zod'
import { GatewayError } from '../core/errors.ts'
import type { StoredSubscription } from '../store/subscriptions.ts'
import { requireScope } from './access.ts'
import { type Call, param, validate } from './route.ts'

/** What belongs to a subscription belongs to its topic, and needs `subscribe` on it. */

/**
 * A thing of a topic, for a caller who may subscribe to it: `not_found` where it is not there or the key cannot see its
 * topic, alike; then `permission_denied`.
 */
export function owned<T extends { readonly topic: string }>(call: Call, what: string, found: T | undefined): T {
  if (found === undefined || !call.access.sees(found.topic)) {
    throw new GatewayError('not_found', `There is no such ${what}.`)
  }
  call.topic = found.topic
  requireScope(call.access, 'subscribe', found.topic)
  return found
}

export async function findSubscription(call: Call, id = param(call, 'id')): Promise<StoredSubscription> {
  return owned(call, 'subscription', await call.gateway.store.subscriptions.get(id))
}

const naming = z.looseObject({ subscription: z.string() })

/** The subscription that a body names, before the rest of the body is looked at: 404 and 403 come before 400. */
export async function namedSubscription(call: Call, body: unknown): Promise<StoredSubscription> {
  return findSubscription(call, validate(naming, body).subscription)
}

/** After `ended` nothing is delivered any more. */
export function refuseEnded({ status }: StoredSubscription): void {
  if (status === 'ended') throw new GatewayError('conflict', 'The subscription has ended: its endpoint answered 410.')
}
