import { z } from 'zod'
import type { Route, RouteDoc } from './route.ts'
import { problemSchema } from './schemas.ts'

type Json = Record<string, unknown>

/** The API as OpenAPI 3.1, from the very definitions that route and validate requests. */
export function openApiDocument(routes: readonly Route[]): Json {
  const components = new Map<string, Json>()
  const paths: Record<string, Json> = {}
  for (const { method, path: routed, access, doc } of routes) {
    if (doc === undefined) continue
    const path = doc.path ?? routed
    const name = path.replace(/:(\w+)/g, '{$1}')
    paths[name] ??= {}
    paths[name][method.toLowerCase()] = {
      operationId: operationId(method, path),
      ...operation(path, doc, access, components),
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sluice',
      version: '1',
      description: 'One HTTP gate in front of any event broker: publish, read and pull CloudEvents.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ key: [] }, {}],
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'slk_…, made by `sluice keys create`' } },
      schemas: Object.fromEntries([...components].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  }
}

/** `getTopicsEventsByPosition`: what generators of clients name their functions after. */
function operationId(method: string, path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== 'v1')
  const last = parts.at(-1) ?? ''
  const named = parts.filter((part) => !part.startsWith(':'))
  const suffix = last.startsWith(':') ? `By${capital(last.slice(1))}` : ''
  return `${method.toLowerCase()}${named.map(capital).join('')}${suffix}`
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1).replace(/\W/g, '')
}

function operation(path: string, doc: RouteDoc, access: Route['access'], components: Map<string, Json>): Json {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const responses: Record<string, Json> = {}
  for (const [status, media] of Object.entries(doc.answers)) {
    responses[status] = {
      description: doc.summary,
      ...(media !== null && { content: contents(media, 'output', components) }),
    }
  }
  responses.default = {
    description: 'What went wrong (RFC 9457)',
    content: contents({ 'application/problem+json': problemSchema }, 'output', components),
  }
  return {
    summary: doc.summary,
    tags: [doc.tag],
    parameters: [
      ...inPath,
      ...optional('query', doc.query, components),
      ...optional('header', doc.headers, components),
    ],
    ...(doc.body !== undefined && { requestBody: { content: contents(doc.body, 'input', components) } }),
    responses,
    ...(access === 'public' && { security: [{}] }),
  }
}

function optional(where: 'query' | 'header', known: z.ZodObject | undefined, components: Map<string, Json>): Json[] {
  return Object.entries(known?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: where,
    required: false,
    schema: schemaOf(schema as z.ZodType, 'input', components),
  }))
}

function contents(
  media: Readonly<Record<string, z.ZodType>>,
  io: 'input' | 'output',
  components: Map<string, Json>,
): Json {
  return Object.fromEntries(
    Object.entries(media).map(([type, schema]) => [type, { schema: schemaOf(schema, io, components) }]),
  )
}

/** A schema as JSON Schema 2020-12, which OpenAPI 3.1 takes as it is; those with an id become components. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', components: Map<string, Json>): Json {
  const { $schema, $defs, ...root } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    target: 'draft-2020-12',
  }) as Json
  for (const [id, definition] of Object.entries(($defs ?? {}) as Record<string, Json>)) {
    components.set(id, relocate(definition))
  }
  if (typeof root.id === 'string') {
    components.set(root.id, relocate(root))
    return { $ref: `#/components/schemas/${root.id}` }
  }
  return relocate(root)
}

/** References into `$defs` lead to the components instead. */
function relocate(node: Json): Json {
  const text = JSON.stringify(node, (key, value) => (key === 'id' && typeof value === 'string' ? undefined : value))
  return JSON.parse(text.replaceAll('"#/$defs/', '"#/components/schemas/')) as Json
}
