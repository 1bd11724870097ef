import { createHash } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { EndpointAuth, Subscription } from '../core/subscription.ts'
import { checkAuth } from './auth.ts'
import { structuredType } from './content.ts'
import { neededBytes, spelled } from './excerpt.ts'
import { Failure } from './failure.ts'
import { checkHeaders, isCredential } from './headers.ts'
import { Signer } from './sign.ts'
import type { Target } from './target.ts'

/** The identity of the gateway at an endpoint. */
export interface Identity {
  /** Tells it from others. */
  readonly name: string
  readonly context: SecureContext
}

/** What depends on a subscription alone, worked out once. */
export interface Prepared {
  readonly target: Target
  /** Name after value. */
  readonly headers: readonly string[]
  readonly signer: Signer
  readonly identity: Identity | undefined
  /** What an endpoint may know of and nobody reads. */
  readonly confidential: readonly string[]
  /** How many bytes of an answer are needed for its excerpt. */
  readonly keep: number
}

/** Throws a `Failure` or a `GatewayError` where the subscription is not fit to be sent. */
export function prepare(subscription: Subscription, target: Target, userAgent: string): Prepared {
  const { auth } = subscription
  checkHeaders(subscription.headers, '/headers', auth !== undefined && !('mtls' in auth))
  if (auth !== undefined) checkAuth(auth, '/auth')
  const headers: string[] = []
  const named = Object.entries(subscription.headers)
  if (!named.some(([name]) => name.toLowerCase() === 'user-agent')) headers.push('user-agent', userAgent)
  if (subscription.mode === 'structured') headers.push('content-type', structuredType)
  for (const header of named) headers.push(...header)
  const authorization = auth && authorizationOf(auth)
  if (authorization !== undefined) headers.push('authorization', authorization)
  const confidential = spelled([...secretsOf(auth), ...named.flatMap(([name, value]) => partsOf(name, value))])
  return {
    target,
    headers,
    signer: new Signer(subscription.secrets),
    identity: auth && 'mtls' in auth ? identityOf(auth.mtls) : undefined,
    confidential,
    keep: neededBytes(confidential),
  }
}

/** Undefined where it is not known before a request, or is no header. */
function authorizationOf(auth: EndpointAuth): string | undefined {
  if ('bearer' in auth) return `Bearer ${auth.bearer}`
  if ('basic' in auth) return `Basic ${credentials(auth.basic)}`
  return undefined
}

function credentials({ user, password }: { user: string; password: string }): string {
  return Buffer.from(`${user}:${password}`).toString('base64')
}

function secretsOf(auth: EndpointAuth | undefined): readonly string[] {
  if (auth === undefined || 'mtls' in auth) return []
  if ('bearer' in auth) return [auth.bearer]
  if ('basic' in auth) return [auth.basic.password, credentials(auth.basic)]
  return [auth.oauth2.clientSecret]
}

/** An endpoint may send back a token without the scheme before it, and a cookie's value without its name. */
function partsOf(name: string, value: string): readonly string[] {
  if (!isCredential(name)) return [value]
  const parts = value.split(/[\s;,]+/)
  return [value, ...parts, ...parts.map((part) => part.slice(part.indexOf('=') + 1))]
}

function identityOf({ cert, key }: { cert: string; key: string }): Identity {
  try {
    const name = createHash('sha256').update(cert).update('\0').update(key).digest('base64')
    return { name, context: createSecureContext({ cert, key }) }
  } catch {
    throw new Failure('tls', "The gateway's own certificate and key are no PEM, or do not belong together.")
  }
}
