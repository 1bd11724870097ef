/** A lease, as its holder names it on whichever gateway. */
export interface Lease {
  readonly handle: string
  readonly messageId: string
  readonly attempt: number
  /** When it was asked for: what may be held for twelve hours counts from here. */
  readonly receivedAt: number
  readonly until: number
}

const pattern = /^([0-9a-z]{1,10})\.([0-9a-z]{1,10})\.([0-9a-z]{1,8})\.([\w-]{1,100})\.(.{1,1024})$/

export function writeToken({ until, receivedAt, attempt, messageId, handle }: Lease): string {
  return `${until.toString(36)}.${receivedAt.toString(36)}.${attempt.toString(36)}.${messageId}.${handle}`
}

/** Undefined where the text is no token: nobody holds such a lease. */
export function readToken(text: string): Lease | undefined {
  const match = pattern.exec(text)
  if (match === null) return undefined
  const [, until, receivedAt, attempt, messageId, handle] = match
  return {
    until: Number.parseInt(until!, 36),
    receivedAt: Number.parseInt(receivedAt!, 36),
    attempt: Number.parseInt(attempt!, 36),
    messageId: messageId!,
    handle: handle!,
  }
}
