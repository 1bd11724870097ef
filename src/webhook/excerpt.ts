/** How much of an answer is kept as text, in bytes of UTF-8. */
const excerptBytes = 1024

/** Shorter values are no secrets, and taking them out of an answer would spoil it. */
const shortestSecret = 8

/** Secrets, also as JSON spells them. The longest first: what is a part of another one must not break it up. */
export function spelled(secrets: readonly string[]): readonly string[] {
  const all = secrets
    .filter((secret) => secret.length >= shortestSecret)
    .flatMap((secret) => {
      const json = JSON.stringify(secret).slice(1, -1)
      return [secret, json, json.replaceAll('/', '\\/')]
    })
  return [...new Set(all)].sort((one, other) => other.length - one.length)
}

/** How many bytes of an answer make its excerpt: a character more, so that none is kept in part, and a whole secret. */
export function neededBytes(confidential: readonly string[]): number {
  return excerptBytes + 4 + Math.max(0, ...confidential.map((secret) => Buffer.byteLength(secret)))
}

/**
 * The beginning of an answer as text: what is no UTF-8 is replaced, also NUL, which not every store takes, and what is
 * confidential, should the endpoint send it back.
 */
export function excerpt(bytes: Buffer, confidential: readonly string[]): string {
  let text = bytes.toString()
  for (const secret of confidential) {
    if (text.includes(secret)) text = text.replaceAll(secret, '*'.repeat(Buffer.byteLength(secret)))
  }
  if (text.includes('\0')) text = text.replaceAll('\0', '\ufffd')
  return text.length * 3 <= excerptBytes ? text : text.slice(0, encoder.encodeInto(text, scratch).read)
}

const encoder = new TextEncoder()
/** Only its length matters. */
const scratch = new Uint8Array(excerptBytes)
