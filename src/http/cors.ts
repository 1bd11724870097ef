import type { Gateway } from './gateway.ts'

function allowed(gateway: Gateway, request: Request): string | undefined {
  const origin = request.headers.get('origin')
  if (origin === null) return undefined
  return gateway.cors.includes('*') || gateway.cors.includes(origin) ? origin : undefined
}

/** The answer, readable by the pages that the configuration names. */
export function withCors(gateway: Gateway, request: Request, response: Response): Response {
  const origin = allowed(gateway, request)
  if (origin === undefined) return response
  response.headers.set('access-control-allow-origin', origin)
  response.headers.append('vary', 'Origin')
  response.headers.set('access-control-expose-headers', 'ETag, Location, Retry-After, Allow')
  return response
}

/** What a browser asks before a request that is not simple (Fetch, "CORS-preflight request"). */
export function preflight(gateway: Gateway, request: Request, methods: readonly string[]): Response {
  const response = new Response(null, { status: 204, headers: { vary: 'Origin' } })
  const origin = allowed(gateway, request)
  if (origin === undefined) return response
  response.headers.set('access-control-allow-origin', origin)
  response.headers.set('access-control-allow-methods', [...new Set(methods)].join(', '))
  response.headers.set('access-control-allow-headers', request.headers.get('access-control-request-headers') ?? '*')
  response.headers.set('access-control-max-age', '600')
  return response
}
