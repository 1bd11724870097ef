import { base64, fromBase64, joined, mac, sameText } from './mac.ts'
import { isTimely } from './timestamp.ts'

interface StandardRequest {
  readonly headers: Headers
  /** As it came, byte for byte. */
  readonly body: Uint8Array
  /** `whsec_` and base64, or the base64 alone. Any of them may have signed. */
  readonly secrets: readonly string[]
  /** Milliseconds since the epoch. */
  readonly now: number
}

/**
 * Verifies a request as Standard Webhooks 1.0.0 has it (github.com/standard-webhooks/standard-webhooks,
 * spec/standard-webhooks.md, "Signature scheme" and "Webhook headers"): `{id}.{timestamp}.{body}` under HMAC-SHA256, in
 * base64 after `v1,`; several signatures with spaces between them, of which one must be right. The same under the header
 * names that came before it (docs.svix.com/receiving/verifying-payloads/how-manual). Answers the signature that was right.
 */
export async function verifyStandard({ headers, body, secrets, now }: StandardRequest): Promise<string | undefined> {
  const prefix = prefixOf(headers)
  const id = headers.get(`${prefix}-id`) ?? ''
  const timestamp = headers.get(`${prefix}-timestamp`) ?? ''
  const given = (headers.get(`${prefix}-signature`) ?? '').split(' ')
  // A dot inside of an id would let the parts be cut elsewhere, which is why the specification forbids it.
  if (id === '' || id.includes('.') || !isTimely(timestamp, now)) return undefined
  // A header that is given twice arrives as one, joined by a comma: no list of signatures ends an item with that.
  if (given.some((item) => item.endsWith(','))) return undefined
  const signed = joined(id, '.', timestamp, '.', body)
  for (const secret of secrets) {
    const key = standardKey(secret)
    if (key === undefined || key.length === 0) continue
    const expected = `v1,${base64(await mac('SHA-256', key, signed))}`
    if (given.some((item) => sameText(item, expected))) return expected
  }
  return undefined
}

/** How the three headers begin. The id decides for all of them: it is what repeats are known by, so it must be signed. */
function prefixOf(headers: Headers): 'webhook' | 'svix' {
  return headers.has('webhook-id') || !headers.has('svix-id') ? 'webhook' : 'svix'
}

function standardKey(secret: string): Uint8Array<ArrayBuffer> | undefined {
  return fromBase64(secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : secret)
}
