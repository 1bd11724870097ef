import { z } from 'zod'
import { GatewayError } from '../../core/errors.ts'
import { authenticate, requireScope } from '../access.ts'
import { newInstance, problem, problemPage } from '../problem.ts'
import { type Call, json, param, type Route, refuseQuery } from '../route.ts'

/** How long a check of readiness may take before it counts as failed. */
const checkMs = 4000

/** The process runs. */
function health(call: Call): Response {
  refuseQuery(call)
  return json({ status: 'ok' })
}

/** Publishing would work: every broker and the store answer. 503 names what does not. */
async function readiness(call: Call): Promise<Response> {
  const { gateway } = call
  refuseQuery(call)
  if (gateway.stopping.aborted) {
    return problem(new GatewayError('unavailable', 'The gateway is shutting down.'), newInstance())
  }
  const checks = [...gateway.brokers.values()].map(({ name, broker, error }) => {
    const check = broker === undefined ? Promise.reject(new Error(error)) : broker.health()
    return within(check).then((reason) => ({ pointer: `/brokers/${name}`, detail: reason }))
  })
  checks.push(within(gateway.store.health()).then((reason) => ({ pointer: '/store', detail: reason })))
  const answers = await Promise.all(checks)
  const errors = answers.flatMap(({ pointer, detail }) => (detail === undefined ? [] : [{ pointer, detail }]))
  if (errors.length === 0) return json({ status: 'ready' })
  const detail = `Not ready: ${errors.map((error) => `${error.pointer.slice(1)} (${error.detail})`).join(', ')}`
  return problem(new GatewayError('unavailable', detail, { errors }), newInstance())
}

/** Why it failed, or undefined where it did not. */
async function within(check: Promise<void>): Promise<string | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('it does not answer'), checkMs)
  })
  const done = check.then(
    () => undefined,
    (error: unknown) => (error instanceof GatewayError ? error.message : 'it failed'),
  )
  return Promise.race([done, late]).finally(() => clearTimeout(timer))
}

async function metrics(call: Call): Promise<Response> {
  const { gateway } = call
  if (!gateway.metrics.public && gateway.keys !== undefined) {
    requireScope(authenticate(gateway, call.request.headers), 'admin')
  }
  refuseQuery(call)
  const { contentType, body } = await gateway.metrics.render()
  return new Response(body, { headers: { 'content-type': contentType } })
}

function explain(call: Call): Response {
  const page = problemPage(param(call, 'code'))
  if (page === undefined) throw new GatewayError('not_found', 'There is no such code.')
  refuseQuery(call)
  return page
}

/** The API page. It and all it loads come from the gateway itself; the policy holds it to that. */
function docs(): Response {
  const html = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Sluice API</title><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="page"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>
</html>
`
  const policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
  return new Response(html, {
    headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy },
  })
}

const startScript =
  "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#page', deepLinking: true, validatorUrl: null })\n"

async function docsAsset(call: Call): Promise<Response> {
  const name = param(call, 'name')
  if (name === 'start.js') return new Response(startScript, { headers: { 'content-type': 'text/javascript' } })
  const asset = await call.gateway.asset(name)
  if (asset === undefined) throw new GatewayError('not_found', 'There is no such file.')
  return new Response(asset.body, { headers: { 'content-type': asset.contentType, 'cache-control': 'max-age=3600' } })
}

/** `document` is made when it is first asked for. */
export function systemRoutes(document: () => unknown): Route[] {
  let openapi: string | undefined
  const status = (value: string) => z.strictObject({ status: z.literal(value) })
  return [
    {
      method: 'GET',
      path: '/healthz',
      access: 'public',
      handle: health,
      doc: { summary: 'The process runs', tag: 'Gateway', answers: { 200: { 'application/json': status('ok') } } },
    },
    {
      method: 'GET',
      path: '/readyz',
      access: 'public',
      handle: readiness,
      doc: {
        summary: 'Publishing would work',
        tag: 'Gateway',
        answers: { 200: { 'application/json': status('ready') } },
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      access: 'public',
      handle: metrics,
      doc: { summary: 'Metrics for Prometheus', tag: 'Gateway', answers: { 200: { 'text/plain': z.string() } } },
    },
    {
      method: 'GET',
      path: '/problems/:code',
      access: 'public',
      handle: explain,
      doc: { summary: 'What an error code means', tag: 'Gateway', answers: { 200: { 'text/markdown': z.string() } } },
    },
    {
      method: 'GET',
      path: '/openapi.json',
      access: 'public',
      handle: (call) => {
        refuseQuery(call)
        openapi ??= JSON.stringify(document())
        return new Response(openapi, { headers: { 'content-type': 'application/json' } })
      },
    },
    { method: 'GET', path: '/docs', access: 'public', handle: docs },
    { method: 'GET', path: '/docs/:name', access: 'public', handle: docsAsset },
  ]
}
