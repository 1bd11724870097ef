import type { EndpointAuth } from '../core/subscription.ts'
import { type Bounds, Exchange } from './exchange.ts'
import { Failure } from './failure.ts'

export type ClientCredentials = Extract<EndpointAuth, { oauth2: unknown }>['oauth2']

/** Where the server does not say how long a token lasts. */
const unknownLifeMs = 300_000
/** A token is not used in the last part of its life: what is sent now arrives later. */
const marginMs = 30_000
const maxAnswerBytes = 16 << 10
/** RFC 6749, section 5.2. Anything else in their place may hold what must not be shown. */
const errors = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
])

export interface Token {
  readonly value: string
  readonly until: number
}

/** Asks for a token (RFC 6749, section 4.4); resolves or rejects with a `Failure` when it ended. */
export class TokenRequest extends Exchange {
  readonly path: string
  readonly headers: string[]
  readonly body: Uint8Array
  readonly token: Promise<Token>
  readonly #answer = Promise.withResolvers<Token>()
  readonly #now: () => number

  constructor(
    bounds: Bounds,
    signal: AbortSignal,
    timeoutMs: number,
    path: string,
    userAgent: string,
    { clientId, clientSecret, scope }: ClientCredentials,
    now: () => number,
  ) {
    super(bounds, signal, timeoutMs, maxAnswerBytes)
    this.path = path
    this.#now = now
    this.token = this.#answer.promise
    // RFC 6749, section 2.3.1: each part is encoded as in a form before they are joined.
    const credentials = Buffer.from(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`).toString('base64')
    this.headers = [
      ...['user-agent', userAgent, 'accept', 'application/json'],
      ...['content-type', 'application/x-www-form-urlencoded', 'authorization', `Basic ${credentials}`],
    ]
    const form = new URLSearchParams({ grant_type: 'client_credentials', ...(scope !== undefined && { scope }) })
    this.body = Buffer.from(form.toString())
  }

  protected finish(): void {
    try {
      this.#answer.resolve(this.#read())
    } catch (error) {
      this.#answer.reject(error)
    }
  }

  #read(): Token {
    if (this.failure !== undefined) throw asAuth(this.failure)
    const answer = parse(this.kept)
    if (this.status !== 200) {
      const error = typeof answer?.error === 'string' && errors.has(answer.error) ? `: ${answer.error}` : ''
      throw new Failure('auth', `The token server answered ${this.status}${error}.`)
    }
    const { access_token: value, token_type: type, expires_in: expiresIn } = answer ?? {}
    if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
      throw new Failure('auth', 'The token server answered without a token.')
    }
    if (type !== undefined && String(type).toLowerCase() !== 'bearer') {
      throw new Failure('auth', 'The token server answered with a token of another type than Bearer.')
    }
    const lifeMs = typeof expiresIn === 'number' && expiresIn >= 0 ? expiresIn * 1000 : unknownLifeMs
    return { value, until: this.#now() + lifeMs - Math.min(marginMs, lifeMs / 10) }
  }
}

function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}

function parse(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const answer: unknown = JSON.parse(bytes.toString())
    return typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** The gateway's own doing, and what the guard refuses, keep their stage. */
export function asAuth(failure: Failure): Failure {
  if (failure.stage === 'gateway') return failure
  return new Failure('auth', `The token server: ${failure.message}`)
}
