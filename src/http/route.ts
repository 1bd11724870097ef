import type { Context } from 'hono'
import type { z } from 'zod'
import { GatewayError, invalid } from '../core/errors.ts'
import { escapePointer } from '../core/event.ts'
import type { OpenTopic } from '../core/topic.ts'
import { checkTopicName } from '../core/topic-name.ts'
import { type Access, requireScope, type Scope } from './access.ts'
import type { Gateway, PlatformEnv } from './gateway.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** One operation of the API: what routes it, validates it and describes it in OpenAPI. */
export interface Route {
  readonly method: Method
  /** As Hono writes it: `/v1/topics/:topic`. */
  readonly path: string
  /** `public` needs no key; otherwise the key is checked before the handler runs, its scopes by the handler. */
  readonly access: 'public' | 'key' | 'ticket'
  readonly handle: (call: Call) => Response | Promise<Response>
  /** Absent for what OpenAPI does not list. */
  readonly doc?: RouteDoc
}

export interface RouteDoc {
  readonly summary: string
  readonly tag: string
  /** Where OpenAPI shows it, where that is not `path`: the route finds a fixed name behind a variable one. */
  readonly path?: string
  readonly query?: z.ZodObject
  /** Those that mean something here, beside what every request may have. */
  readonly headers?: z.ZodObject
  /** By media type; the first is the usual one. */
  readonly body?: Readonly<Record<string, z.ZodType>>
  /** Successful answers by status, then by media type; problems are the same everywhere. Null is an answer without body. */
  readonly answers: Readonly<Record<number, Readonly<Record<string, z.ZodType>> | null>>
}

/** One request on its way through a route. */
export interface Call {
  readonly gateway: Gateway
  readonly request: Request
  readonly context: Context<{ Bindings: PlatformEnv }>
  readonly access: Access
  /** The topic that it is about, once that is known. */
  topic?: string
}

/** A part of the path that the route's pattern names. */
export function param(call: Call, name: string): string {
  return call.context.req.param(name) ?? ''
}

/** The query, validated. Unknown parameters are refused by name. */
export function query<T extends z.ZodObject>(call: Call, schema: T): z.output<T> {
  return validate(schema, parameters(call), 'query parameter')
}

/** Aborts when an answer is of no use any more: the client left, the gateway stops, or the key was revoked. */
export function ending(call: Call, ...more: AbortSignal[]): AbortSignal {
  const revoked = call.access.key?.revoked
  const signals = [call.request.signal, call.gateway.stopping, ...more]
  return AbortSignal.any(revoked === undefined ? signals : [...signals, revoked])
}

/** The query as it came, each parameter at most once. Throws where it is not UTF-8 after percent-decoding. */
export function parameters(call: Call): Readonly<Record<string, string>> {
  // Without a prototype: `__proto__` is a name like any other.
  const given: Record<string, string> = Object.create(null)
  const at = call.request.url.indexOf('?')
  if (at < 0) return given
  refuseInvalidUtf8(call.request.url.slice(at + 1))
  for (const [name, value] of new URLSearchParams(call.request.url.slice(at + 1))) {
    if (name in given) throw invalid(`/${escapePointer(name)}`, 'The query parameter is given twice.')
    given[name] = value
  }
  return given
}

/** URLSearchParams would put replacement characters there, and make one key of two. */
function refuseInvalidUtf8(text: string): void {
  if (!text.includes('%')) return
  for (const pair of text.split('&')) {
    try {
      decodeURIComponent(pair.replace(/%(?![0-9A-Fa-f]{2})/g, '%25'))
    } catch {
      const name = pair.split('=', 1)[0] ?? ''
      throw invalid(`/${escapePointer(name)}`, 'The query is not valid UTF-8 after percent-decoding.')
    }
  }
}

/** For an operation that takes no query: whatever is in it is refused by name. */
export function refuseQuery(call: Call): void {
  const errors = Object.keys(parameters(call)).map((name) => ({
    pointer: `/${escapePointer(name)}`,
    detail: 'there is no such query parameter',
  }))
  if (errors.length > 0) throw new GatewayError('invalid_argument', 'This takes no query parameters.', { errors })
}

/** A body may hold faults by the ten thousand; the answer tells of so many. */
const errorsMax = 100

/** Validates what came from outside; throws `invalid_argument` with a pointer for every field that is wrong. */
export function validate<T extends z.ZodType>(schema: T, value: unknown, what = 'field'): z.output<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const all = parsed.error.issues.slice(0, errorsMax).flatMap((issue) => {
    const path = issue.path.map((part) => `/${escapePointer(String(part))}`).join('')
    if (issue.code !== 'unrecognized_keys') {
      const absent = issue.code === 'invalid_type' && issue.message.endsWith('received undefined')
      return [{ pointer: path, detail: absent ? 'is required' : issue.message }]
    }
    return issue.keys
      .slice(0, errorsMax)
      .map((key) => ({ pointer: `${path}/${escapePointer(key)}`, detail: `there is no such ${what}` }))
  })
  const errors = all.slice(0, errorsMax)
  const detail = errors.map((error) => `${error.pointer === '' ? 'body' : error.pointer}: ${error.detail}`).join('; ')
  throw new GatewayError('invalid_argument', `A ${what} is wrong. ${detail}.`, { errors })
}

/** The topic of the path, for a caller with `scope`. In the order of precedence: 404, 403. */
export function topicFor(call: Call, scope: Scope): OpenTopic {
  const topic = findTopic(call, scope)
  if (topic === undefined) throw noTopic()
  return topic
}

/** The same, made where the gateway makes topics on first use. */
export async function topicOrNew(call: Call, scope: Scope): Promise<OpenTopic> {
  return findTopic(call, scope) ?? call.gateway.topics.create(param(call, 'topic'))
}

/** The topic, or undefined where it does not exist yet and may be made. */
export function findTopic(call: Call, scope: Scope, name = param(call, 'topic')): OpenTopic | undefined {
  checkTopicName(name)
  call.topic = name
  const topic = call.gateway.topics.resolve(name)
  if (!call.access.sees(name) || (topic === undefined && !call.gateway.topics.creates)) throw noTopic()
  requireScope(call.access, scope, name)
  return topic
}

export function noTopic(): GatewayError {
  return new GatewayError('not_found', 'There is no such topic. Topics are declared in the configuration.')
}

export function json(body: unknown, status = 200, headers?: Record<string, string>): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } })
}
