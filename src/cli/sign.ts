import { createHmac, randomBytes } from 'node:crypto'
import { wrongUse } from './exit.ts'

const prefix = 'whsec_'

/** A secret as Standard Webhooks writes it. */
export function createSecret(): string {
  return prefix + randomBytes(32).toString('base64')
}

/** The bytes of a secret that the user gave. */
export function signingKey(secret: string): Buffer {
  const text = secret.startsWith(prefix) ? secret.slice(prefix.length) : ''
  const key = Buffer.from(text, 'base64')
  if (key.toString('base64') !== text || key.length < 24 || key.length > 64) {
    throw wrongUse('--secret must be whsec_ and the base64 of 24 to 64 bytes.')
  }
  return key
}

/** The headers of Standard Webhooks for this body; `at` is in milliseconds since the epoch. */
export function signedHeaders(key: Buffer, id: string, body: string, at: number): Record<string, string> {
  const timestamp = String(Math.floor(at / 1000))
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
}
