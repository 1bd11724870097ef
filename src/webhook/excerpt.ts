/** How much of an answer is kept as text, in bytes. */
export const excerptBytes = 1024

/**
 * The beginning of an answer as text: what is no UTF-8 is replaced, also NUL, which not every store takes, and what is
 * confidential, should the endpoint send it back.
 */
export function excerpt(bytes: Buffer, confidential: readonly string[]): string {
  let text = bytes.toString()
  for (const secret of confidential) {
    if (text.includes(secret)) text = text.replaceAll(secret, '*'.repeat(secret.length))
  }
  if (text.includes('\0')) text = text.replaceAll('\0', '\ufffd')
  return bytes.length <= excerptBytes ? text : cut(text)
}

/** At most so many bytes in UTF-8, without half of a character. */
function cut(text: string): string {
  const target = Buffer.alloc(excerptBytes)
  const { read } = new TextEncoder().encodeInto(text, target)
  return text.slice(0, read)
}
