import type { PublishResult } from '../core/broker.ts'
import type { ErrorCode } from '../core/errors.ts'

/** What can only be the event's own fault, and so will be again. */
const ownFaults: ReadonlySet<ErrorCode> = new Set([
  'invalid_argument',
  'too_large',
  'unsupported',
  'unsupported_media_type',
])

/**
 * `refused` is the event's own fault; `doubted` may be, or the target's: where nobody has a queue, nothing can be routed.
 * Everything else (`again`: a topic that is gone, a permission that was taken away, a broker that is down) is the target's,
 * and holds the bridge back until somebody has mended it.
 */
export type Verdict = 'stored' | 'refused' | 'doubted' | 'again'

export function verdictOf(result: PublishResult): Verdict {
  if (result.status === 'stored') return 'stored'
  if (result.status === 'unknown') return 'again'
  if (ownFaults.has(result.error.code)) return 'refused'
  return result.error.code === 'unprocessable' ? 'doubted' : 'again'
}
