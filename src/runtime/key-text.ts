import { createHash, randomBytes } from 'node:crypto'

export interface NewKey {
  readonly id: string
  /** `slk_<id>_<secret>`: shown once, kept nowhere. */
  readonly text: string
  /** What the configuration or the store keeps. */
  readonly hash: string
}

/** A key with 256 bits of randomness, so that a plain hash is enough to keep it. */
export function createKey(): NewKey {
  const id = randomBytes(6).toString('hex')
  const text = `slk_${id}_${randomBytes(32).toString('base64url')}`
  return { id, text, hash: `sha256:${sha256(text)}` }
}

export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
