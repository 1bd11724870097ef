import { z } from 'zod'
import { GatewayError, invalid } from '../core/errors.ts'
import { escapePointer } from '../core/event.ts'
import { scanValue } from '../core/scan.ts'
import { notJson } from '../core/structured.ts'
import type { Gateway } from './gateway.ts'
import { type Call, refuseQuery, validate } from './route.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What the bodies of all requests together may hold. Only what has come counts: announcing much costs a client nothing. */
class MemoryBudget {
  readonly #max: number
  #used = 0

  constructor(max: number) {
    this.#max = max
  }

  /** The part of one request, nothing at first. */
  share(): Share {
    let mine = 0
    return {
      hold: (bytes) => {
        const others = this.#used - mine
        if (bytes > mine && others > 0 && others + bytes > this.#max) throw full()
        this.#used = others + bytes
        mine = bytes
      },
    }
  }

  /** Throws `unavailable` where so many bytes more are too many. */
  check(bytes: number): void {
    if (this.#used > 0 && this.#used + bytes > this.#max) throw full()
  }
}

const budgets = new WeakMap<Gateway, MemoryBudget>()

/** The one budget that all bodies of a gateway share. */
export function budgetOf(gateway: Gateway): MemoryBudget {
  let budget = budgets.get(gateway)
  if (budget === undefined) {
    budget = new MemoryBudget(gateway.limits.inFlightBytes)
    budgets.set(gateway, budget)
  }
  return budget
}

export interface Share {
  /** Says how many bytes are held now, none at the end. Throws `unavailable` where they are too many. */
  hold(bytes: number): void
}

function full(): GatewayError {
  const detail = 'The gateway holds as much as it may; nothing was stored.'
  return new GatewayError('unavailable', detail, { retryAfterMs: 1000 })
}

/** How large a request says that its body is. */
export function announcedBytes(request: Request): number {
  return Number(request.headers.get('content-length') ?? 0)
}

/** Throws `unsupported_media_type` for a compressed body: a limit on bytes read would mean nothing after it. */
export function refuseEncoding(request: Request): void {
  const encoding = request.headers.get('content-encoding')
  if (encoding === null || encoding.trim().toLowerCase() === 'identity') return
  throw new GatewayError('unsupported_media_type', 'Bodies are taken without a content encoding.')
}

/**
 * The whole body. Rejects with `too_large` as soon as more than `limit` bytes are certain, before reading on. `hold` is
 * told how many bytes there are so far, and may throw.
 */
export async function readBody(
  call: Call,
  limit: number,
  hold: (bytes: number) => void = () => {},
): Promise<Uint8Array<ArrayBuffer>> {
  refuseEncoding(call.request)
  const platform = call.context.env?.readBody
  if (platform !== undefined) return platform(limit, hold)
  return readStream(call.request, limit, call.gateway.limits.idle, hold)
}

async function readStream(
  request: Request,
  limit: number,
  idleMs: number,
  hold: (bytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  if (announcedBytes(request) > limit) throw tooLarge(limit)
  if (request.body === null) return new Uint8Array(0)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunksOf(request.body, idleMs)) {
    length += chunk.length
    if (length > limit) throw tooLarge(limit)
    hold(length)
    chunks.push(chunk)
  }
  const body = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    body.set(chunk, at)
    at += chunk.length
  }
  return body
}

/**
 * The chunks of a body. Throws `invalid_argument` where none came for `idleMs`, and `unavailable` when `stop` aborts. A
 * flowing one is never cut.
 */
export async function* chunksOf(
  body: ReadableStream<Uint8Array>,
  idleMs: number,
  stop?: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = body.getReader()
  let timer: ReturnType<typeof setTimeout> | undefined
  let breakOff: (error: GatewayError) => void = () => {}
  const onStop = () => breakOff(new GatewayError('unavailable', 'The gateway is shutting down.'))
  stop?.addEventListener('abort', onStop)
  try {
    for (;;) {
      // A promise of its own for each chunk: racing with one that lasts would keep something for every chunk.
      const { done, value } = await new Promise<Awaited<ReturnType<typeof reader.read>>>((resolve, reject) => {
        breakOff = reject
        timer = setTimeout(() => reject(new GatewayError('invalid_argument', 'The body stalled.')), idleMs)
        if (stop?.aborted === true) onStop()
        reader.read().then(resolve, reject)
      })
      clearTimeout(timer)
      if (done) return
      yield value
    }
  } finally {
    clearTimeout(timer)
    stop?.removeEventListener('abort', onStop)
    reader.cancel().catch(() => {})
  }
}

export function tooLarge(limit: number): GatewayError {
  return new GatewayError('too_large', `The body has more than the ${limit} bytes that are allowed.`)
}

/** A small JSON body, validated. An absent body counts as `{}`. What takes one takes no query. */
export async function readJson<T extends z.ZodType>(call: Call, schema: T): Promise<z.output<T>> {
  refuseQuery(call)
  return validate(schema, await readValue(call))
}

const nothing = z.strictObject({})

/** For an operation that takes neither query nor body: whatever is in them is refused by name. */
export async function refuseInput(call: Call): Promise<void> {
  await readJson(call, nothing)
}

/** A small JSON body as it is, under one of some media types. An absent body counts as `{}`. */
export async function readValue(call: Call, types: readonly string[] = ['application/json']): Promise<unknown> {
  const type = call.request.headers.get('content-type')
  const share = budgetOf(call.gateway).share()
  const bytes = await readBody(call, 1 << 20, share.hold).finally(() => share.hold(0))
  if (bytes.length > 0 && type !== null && !types.includes(type.split(';', 1)[0]!.trim().toLowerCase())) {
    throw new GatewayError('unsupported_media_type', `This takes ${types.join(' or ')}.`)
  }
  if (bytes.length === 0) return {}
  try {
    // Before native parsing, which knows no bound of depth.
    scanValue(bytes, 0, bytes.length, call.gateway.limits.depth)
  } catch (error) {
    throw notJson(error, '')
  }
  const value: unknown = JSON.parse(decoder.decode(bytes))
  refusePrototype(value, '')
  return value
}

/** Schemas pass over a member of this name, as if it were not there. */
function refusePrototype(value: unknown, pointer: string): void {
  if (typeof value !== 'object' || value === null) return
  for (const [name, inner] of Object.entries(value)) {
    if (name === '__proto__') throw invalid(`${pointer}/__proto__`, 'No member has the name __proto__.')
    refusePrototype(inner, `${pointer}/${escapePointer(name)}`)
  }
}
