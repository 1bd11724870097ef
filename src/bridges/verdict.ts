import type { PublishResult } from '../core/broker.ts'
import type { ErrorCode } from '../core/errors.ts'

/**
 * What can only be the event's own fault, and so will be again. Everything else (a topic that is gone, a permission that
 * was taken away, a broker that is down) is the target's, and holds the bridge back until somebody has mended it.
 */
const ownFaults: ReadonlySet<ErrorCode> = new Set([
  'invalid_argument',
  'too_large',
  'unprocessable',
  'unsupported',
  'unsupported_media_type',
  'headers_too_large',
])

/** Whether the target refuses this event, as far as one answer tells: one for several events may mean another of them. */
export function isRefusal(result: PublishResult): result is PublishResult & { status: 'failed' } {
  return result.status === 'failed' && ownFaults.has(result.error.code)
}
