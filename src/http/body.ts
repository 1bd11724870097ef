import type { z } from 'zod'
import { GatewayError } from '../core/errors.ts'
import { scanValue } from '../core/scan.ts'
import { notJson } from '../core/structured.ts'
import { type Call, refuseQuery, validate } from './route.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What all requests together may hold; beyond it a request is refused before its body is read. */
export class MemoryBudget {
  readonly #max: number
  #used = 0

  constructor(max: number) {
    this.#max = max
  }

  take(bytes: number): void {
    if (this.#used > 0 && this.#used + bytes > this.#max) {
      throw new GatewayError('unavailable', 'The gateway holds as much as it may; nothing was stored.', {
        retryAfterMs: 1000,
      })
    }
    this.#used += bytes
  }

  give(bytes: number): void {
    this.#used -= bytes
  }
}

/** What a request's body will hold in memory, as far as its headers tell; a lie is caught while reading. */
export function announcedBytes(request: Request, limit: number): number {
  const length = Number(request.headers.get('content-length') ?? Number.NaN)
  if (Number.isNaN(length)) return request.headers.has('transfer-encoding') ? limit : 0
  return Math.min(length, limit)
}

/** Throws `unsupported_media_type` for a compressed body: a limit on bytes read would mean nothing after it. */
export function refuseEncoding(request: Request): void {
  const encoding = request.headers.get('content-encoding')
  if (encoding === null || encoding.trim().toLowerCase() === 'identity') return
  throw new GatewayError('unsupported_media_type', 'Bodies are taken without a content encoding.')
}

/** The whole body. Rejects with `too_large` as soon as more than `limit` bytes are certain, before reading on. */
export async function readBody(call: Call, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  refuseEncoding(call.request)
  const platform = call.context.env?.readBody
  if (platform !== undefined) return platform(limit)
  return readStream(call.request, limit, call.gateway.limits.idle)
}

async function readStream(request: Request, limit: number, idleMs: number): Promise<Uint8Array<ArrayBuffer>> {
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge(limit)
  if (request.body === null) return new Uint8Array(0)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunksOf(request.body, idleMs)) {
    length += chunk.length
    if (length > limit) throw tooLarge(limit)
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
  const type = call.request.headers.get('content-type')
  const bytes = await readBody(call, 1 << 20)
  if (bytes.length > 0 && type !== null && !/^application\/json\s*(;|$)/i.test(type)) {
    throw new GatewayError('unsupported_media_type', 'This takes application/json.')
  }
  let value: unknown = {}
  if (bytes.length > 0) {
    try {
      // Before native parsing, which knows no bound of depth.
      scanValue(bytes, 0, bytes.length, call.gateway.limits.depth)
    } catch (error) {
      throw notJson(error, '')
    }
    value = JSON.parse(decoder.decode(bytes))
  }
  return validate(schema, value)
}
