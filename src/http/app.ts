import { type Context, Hono } from 'hono'
import { GatewayError, toGatewayError } from '../core/errors.ts'
import { type Access, authenticate, RateLimiter } from './access.ts'
import { preflight, withCors } from './cors.ts'
import type { Gateway, PlatformEnv } from './gateway.ts'
import { named } from './named.ts'
import { openApiDocument } from './openapi.ts'
import { newInstance, problem } from './problem.ts'
import type { Call, Route } from './route.ts'
import { deadLetterRoutes } from './routes/dead-letters.ts'
import { deliveryRoutes } from './routes/deliveries.ts'
import { groupRoutes } from './routes/groups.ts'
import { hookRoutes } from './routes/hooks.ts'
import { operationRoutes } from './routes/operations.ts'
import { publishRoutes } from './routes/publish.ts'
import { pullRoutes } from './routes/pull.ts'
import { readRoutes } from './routes/read.ts'
import { redriveRoutes } from './routes/redrive.ts'
import { subscriptionActionRoutes } from './routes/subscription-actions.ts'
import { subscriptionRoutes } from './routes/subscriptions.ts'
import { systemRoutes } from './routes/system.ts'
import { topicRoutes } from './routes/topics.ts'
import { redeemTicket, ticketOf } from './tickets.ts'

type AppContext = Context<{ Bindings: PlatformEnv }>

export interface App {
  /** Never rejects: whatever goes wrong is a problem+json. */
  fetch(request: Request, env?: PlatformEnv): Response | Promise<Response>
}

/** The whole HTTP API as one pure function; everything of the platform comes in through `gateway`. */
export function createApp(gateway: Gateway): App {
  const routes: Route[] = [
    ...publishRoutes(gateway),
    ...readRoutes(gateway),
    ...groupRoutes(gateway),
    ...pullRoutes(gateway),
    ...deadLetterRoutes(gateway),
    ...hookRoutes(gateway),
    ...subscriptionRoutes(gateway),
    ...subscriptionActionRoutes(gateway),
    ...deliveryRoutes(gateway),
    ...redriveRoutes(gateway),
    ...operationRoutes(gateway),
    ...topicRoutes,
    ...systemRoutes(() => openApiDocument(routes)),
  ]
  const limiter = new RateLimiter(gateway.clock)
  const hono = new Hono<{ Bindings: PlatformEnv }>()
  for (const route of routes) {
    hono.on(route.method, route.path, (context) => serve(gateway, limiter, route, context))
  }
  hono.notFound((context) => refuse(gateway, limiter, routes, context))
  return {
    fetch: (request, env) => hono.fetch(request, env),
  }
}

function serve(
  gateway: Gateway,
  limiter: RateLimiter,
  route: Route,
  context: AppContext,
): Response | Promise<Response> {
  const began = gateway.clock.now()
  const request = context.req.raw
  const done = (response: Response): Response => {
    gateway.metrics.request(route.method, route.path, response.status, gateway.clock.now() - began)
    // Its body is dropped, and what writes it must hear of that: a live read would go on for ever.
    if (request.method === 'HEAD') void response.body?.cancel()
    return gateway.cors.length === 0 ? response : withCors(gateway, request, response)
  }
  let call: Call | undefined
  const handle = (access: Access): Response | Promise<Response> => {
    call = { gateway, request, context, access }
    return route.handle(call)
  }
  const failed = (thrown: unknown): Response => done(failure(gateway, route.path, thrown, call?.topic))
  try {
    const access = admit(gateway, limiter, route.access, request)
    const answer = access instanceof Promise ? access.then(handle) : handle(access)
    return answer instanceof Response ? done(answer) : answer.then(done, failed)
  } catch (thrown) {
    return failed(thrown)
  }
}

const anybody: Access = { key: undefined, may: () => false, sees: () => false }

function admit(
  gateway: Gateway,
  limiter: RateLimiter,
  needed: Route['access'],
  request: Request,
): Access | Promise<Access> {
  checkHeaders(gateway, request)
  if (gateway.keys === undefined) return authenticate(gateway, request.headers)
  if (needed === 'public') return anybody
  if (needed === 'ticket') {
    const ticket = ticketOf(request)
    if (ticket !== undefined) return redeemTicket(gateway, ticket).then((access) => paced(limiter, access))
  }
  return paced(limiter, authenticate(gateway, request.headers))
}

function paced(limiter: RateLimiter, access: Access): Access {
  if (access.key !== undefined) limiter.take(access.key)
  return access
}

/** A platform that parses headers itself may have refused them before; others leave it to this. */
function checkHeaders(gateway: Gateway, request: Request): void {
  if (gateway.headersAreBounded) return
  let bytes = 0
  let count = 0
  for (const [name, value] of request.headers) {
    count++
    bytes += name.length + value.length + 4
  }
  if (count > gateway.limits.headerCount || bytes > gateway.limits.headerBytes) {
    const { headerBytes, headerCount } = gateway.limits
    throw new GatewayError(
      'headers_too_large',
      `At most ${headerCount} headers of ${headerBytes} bytes together are taken.`,
    )
  }
}

function failure(gateway: Gateway, route: string, thrown: unknown, topic?: string): Response {
  const error = named(gateway, topic, toGatewayError(thrown))
  const instance = newInstance()
  if (error.code === 'internal' || error.code === 'misconfigured') {
    const cause = error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : error.cause
    gateway.log('error', error.message, { instance, route, ...(cause !== undefined && { cause: String(cause) }) })
  }
  return problem(error, instance)
}

/** No route: another method of the path, a preflight of a browser, or nothing at all. */
function refuse(gateway: Gateway, limiter: RateLimiter, routes: readonly Route[], context: AppContext): Response {
  const request = context.req.raw
  const path = context.req.path
  const here = routes.filter((route) => matches(route.path, path))
  const methods = here.map(({ method }) => method)
  const done = (response: Response): Response =>
    gateway.cors.length === 0 ? response : withCors(gateway, request, response)
  try {
    if (request.method === 'OPTIONS' && methods.length > 0 && gateway.cors.length > 0) {
      return preflight(gateway, request, methods)
    }
    // Of a path that nobody sees without a key, not even the methods are told.
    const isPublic = here.length > 0 && here.every(({ access }) => access === 'public')
    admit(gateway, limiter, isPublic ? 'public' : 'key', request)
    if (methods.length === 0) throw new GatewayError('not_found', 'There is no such path; /openapi.json lists them.')
    const detail = `${request.method} is not for this path.`
    const allow = [...new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)].join(', ')
    return done(problem(new GatewayError('method_not_allowed', detail), newInstance(), { headers: { allow } }))
  } catch (thrown) {
    return done(failure(gateway, path, thrown))
  }
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/')
  const given = path.split('/')
  if (wanted.length !== given.length) return false
  return wanted.every((part, i) => (part.startsWith(':') ? given[i] !== '' : part === given[i]))
}
