import { UnsupportedError } from '../../core/errors.ts'
import type { Method, Route } from '../route.ts'

const id = '/:id'

/** Paths of the contract that this version does not serve yet, by what they belong to. */
const later: Readonly<Record<string, readonly [Method, string][]>> = {
  subscriptions: [
    ['POST', '/v1/subscriptions'],
    ['GET', '/v1/subscriptions'],
    ['GET', `/v1/subscriptions${id}`],
    ['PATCH', `/v1/subscriptions${id}`],
    ['DELETE', `/v1/subscriptions${id}`],
    ['POST', `/v1/subscriptions${id}/pause`],
    ['POST', `/v1/subscriptions${id}/resume`],
    ['POST', `/v1/subscriptions${id}/test`],
    ['POST', `/v1/subscriptions${id}/rotate-secret`],
  ],
  deliveries: [
    ['GET', '/v1/deliveries'],
    // Also /redrive: a fixed name beside a variable one would cost every route Hono's fastest router.
    ['POST', `/v1/deliveries${id}`],
    ['GET', `/v1/deliveries${id}`],
    ['DELETE', `/v1/deliveries${id}`],
    ['POST', `/v1/deliveries${id}/retry`],
  ],
  replays: [
    ['POST', '/v1/replays'],
    ['GET', `/v1/operations${id}`],
    ['POST', `/v1/operations${id}/pause`],
    ['POST', `/v1/operations${id}/resume`],
    ['POST', `/v1/operations${id}/cancel`],
  ],
}

export const laterRoutes: readonly Route[] = Object.entries(later).flatMap(([capability, paths]) =>
  paths.map(
    ([method, path]): Route => ({
      method,
      path,
      access: 'key',
      handle: () => {
        throw new UnsupportedError(capability, `This version of the gateway has no ${capability} yet.`)
      },
    }),
  ),
)
