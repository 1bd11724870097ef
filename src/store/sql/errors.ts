import { GatewayError } from '../../core/errors.ts'

// Primary result codes (https://www.sqlite.org/rescode.html).
const perm = 3
const busy = 5
const locked = 6
const readonly = 8
const ioError = 10
const corrupt = 11
const full = 13
const cannotOpen = 14
const notADatabase = 26

function resultCode(thrown: unknown): number | undefined {
  const code = (thrown as { errcode?: unknown } | null)?.errcode
  return typeof code === 'number' ? code & 0xff : undefined
}

/** Whether another process holds the lock, so that trying again makes sense. */
export function isBusy(thrown: unknown): boolean {
  const code = resultCode(thrown)
  return code === busy || code === locked
}

/** What SQLite said of `file`, as the gateway's error, with what to do about it. */
export function storeError(thrown: unknown, file: string): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  const options = { cause: thrown }
  switch (resultCode(thrown)) {
    case busy:
    case locked:
      return unavailable('The store is locked by another process.', thrown)
    case full:
      return unavailable("The store's disk is full, or the store is as large as it may be.", thrown)
    case ioError:
      return unavailable("The store's disk cannot be read or written.", thrown)
    case corrupt:
      return new GatewayError('misconfigured', `The store ${file} is damaged. ${advice}`, options)
    case notADatabase:
      return new GatewayError('misconfigured', `The store ${file} is not a SQLite database. ${advice}`, options)
    case cannotOpen:
      return new GatewayError(
        'misconfigured',
        `The store ${file} cannot be opened: is it a file, in a folder that may be written?`,
        options,
      )
    case readonly:
    case perm:
      return new GatewayError('misconfigured', `The store ${file} may not be written by this user.`, options)
    default:
      return new GatewayError('internal', 'The store failed; the log has the cause.', options)
  }
}

export const advice = 'It is left as it is: restore it from a backup, or move it away and the gateway begins a new one.'

function unavailable(detail: string, cause: unknown): GatewayError {
  return new GatewayError('unavailable', detail, { retryAfterMs: 1000, cause })
}
