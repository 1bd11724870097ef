import { hex, joined, mac, sameText } from '../mac.ts'

const encoder = new TextEncoder()

/** The first secret under which one of `given` is right; answers that signature. Secrets are used as the text they are. */
export async function findSignature(
  secrets: readonly string[],
  given: readonly string[],
  sign: (key: Uint8Array<ArrayBuffer>) => Promise<string>,
): Promise<string | undefined> {
  for (const secret of secrets) {
    // An empty key would be one that everybody knows.
    if (secret === '') continue
    const expected = await sign(encoder.encode(secret))
    if (given.some((text) => sameText(text, expected))) return expected
  }
  return undefined
}

/** HMAC-SHA256 in lower-case hexadecimal, the way of most. */
export async function hexMac(
  key: Uint8Array<ArrayBuffer>,
  ...signed: readonly (string | Uint8Array)[]
): Promise<string> {
  return hex(await mac('SHA-256', key, joined(...signed)))
}
