/** A lease, as its holder names it: which event, and a number that only the holder of this very lease knows. */
export interface Receipt {
  readonly seq: number
  readonly nonce: number
}

const pattern = /^([0-9a-z]{1,9})-([0-9a-z]{1,10})$/

export function writeReceipt(seq: number, nonce: number): string {
  return `${seq.toString(36)}-${nonce.toString(36)}`
}

/** Undefined where the text is no receipt: nobody holds such a lease. */
export function readReceipt(text: string): Receipt | undefined {
  const match = pattern.exec(text)
  if (match === null) return undefined
  return { seq: Number.parseInt(match[1]!, 36), nonce: Number.parseInt(match[2]!, 36) }
}
