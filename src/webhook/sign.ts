import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import type { SigningSecret } from '../core/subscription.ts'
import { parseSecret } from './secret.ts'

interface Key {
  readonly key: KeyObject
  readonly until: number
}

/** Signs with the secrets of one subscription, as Standard Webhooks has it. */
export class Signer {
  readonly #keys: readonly Key[]

  /** Throws `invalid_argument` where a secret is none. */
  constructor(secrets: readonly SigningSecret[]) {
    this.#keys = secrets.map(({ secret, until }, at) => ({
      key: createSecretKey(parseSecret(secret, `/secrets/${at}`)),
      until: until ?? Number.POSITIVE_INFINITY,
    }))
  }

  /** The header `webhook-signature`: one signature for each secret that is valid at `now`; empty where none is. */
  sign(id: string, timestamp: string, body: Uint8Array, now: number): string {
    const head = `${id}.${timestamp}.`
    let signatures = ''
    for (const { key, until } of this.#keys) {
      if (until <= now) continue
      const signature = createHmac('sha256', key).update(head).update(body).digest('base64')
      signatures = signatures === '' ? `v1,${signature}` : `${signatures} v1,${signature}`
    }
    return signatures
  }
}
