import type { Clock } from '../core/clock.ts'
import { invalid } from '../core/errors.ts'

const prefix = 'whsec_'
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
/** What Standard Webhooks allows, and what is made here, in bytes. */
const shortest = 24
const longest = 64
const made = 32

/** The key in a secret as Standard Webhooks writes it. Throws `invalid_argument` at `pointer`; the text stays out of it. */
export function parseSecret(secret: string, pointer: string): Uint8Array<ArrayBuffer> {
  if (!secret.startsWith(prefix)) throw invalid(pointer, `A signing secret begins with ${prefix}, and base64 follows.`)
  const text = secret.slice(prefix.length)
  if (!base64.test(text)) throw invalid(pointer, `What follows ${prefix} must be base64 (RFC 4648, section 4), padded.`)
  const binary = atob(text)
  if (binary.length < shortest || binary.length > longest) {
    const detail = `A signing secret must hold ${shortest} to ${longest} bytes; this one holds ${binary.length}.`
    throw invalid(pointer, detail)
  }
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}

/** A new secret. */
export function createSecret(clock: Clock): string {
  const key = new Uint8Array(made)
  clock.random(key)
  return prefix + btoa(String.fromCharCode(...key))
}
