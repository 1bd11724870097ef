/** A lease, as its holder names it: of which event, until when, and a number that only this lease's holder knows. */
export interface Receipt {
  readonly seq: number
  readonly nonce: number
  readonly until: number
}

const pattern = /^([0-9a-z]{1,9})-([0-9a-z]{1,10})-([0-9a-z]{1,10})$/

export function writeReceipt(seq: number, nonce: number, until: number): string {
  return `${seq.toString(36)}-${nonce.toString(36)}-${until.toString(36)}`
}

/** Undefined where the text is no receipt: nobody holds such a lease. */
export function readReceipt(text: string): Receipt | undefined {
  const match = pattern.exec(text)
  if (match === null) return undefined
  const [, seq, nonce, until] = match
  return { seq: Number.parseInt(seq!, 36), nonce: Number.parseInt(nonce!, 36), until: Number.parseInt(until!, 36) }
}
