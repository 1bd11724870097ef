import { randomUUID, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { signingKeyId } from './tls.ts'

export const issuer = 'https://issuer.test'
export const audience = 'kafka'

const lifetimeSeconds = 3600
const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString('base64url')

/** Gives signed tokens that the `oauth` listeners accept, unless `claims` says otherwise. */
export function tokensOf(signing: string): (claims?: Record<string, unknown>) => string {
  const key = readFileSync(signing, 'utf8')
  return (claims = {}) => {
    const iat = Math.floor(Date.now() / 1000)
    const standard = { iss: issuer, aud: audience, sub: 'carol', iat, exp: iat + lifetimeSeconds, jti: randomUUID() }
    const signed = `${encode({ alg: 'RS256', typ: 'JWT', kid: signingKeyId })}.${encode({ ...standard, ...claims })}`
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
  }
}
