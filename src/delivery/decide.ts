import { type AttemptResult, succeeded } from '../core/delivery.ts'
import type { Policy } from '../core/subscription.ts'

/** What becomes of a delivery after an attempt. `ended`: the endpoint wants nothing more, ever. */
export type Decision =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'parked'; readonly at: number; readonly reason: string }
  | { readonly kind: 'dead' | 'discarded' | 'ended'; readonly reason: string }

/** Half of this up and down: receivers that came back together are not asked together. */
const jitter = 0.2

/**
 * `tried` counts the attempts of this lineage, this one included; `random` is between 0 and 1. An endpoint that says when
 * to come again is obeyed where that is later than the schedule.
 */
export function decide(policy: Policy, result: AttemptResult, tried: number, now: number, random: number): Decision {
  if (succeeded(result)) return { kind: 'succeeded' }
  const { status } = result
  if (status === 410) return { kind: 'ended', reason: 'The endpoint answered 410 Gone.' }
  const gaveUp = policy.onExhausted === 'discard' ? 'discarded' : 'dead'
  if (status !== undefined && policy.noRetry.includes(status)) {
    return { kind: gaveUp, reason: `The endpoint answered ${status}, after which no retry is made.` }
  }
  const wait = policy.retryMs[tried - 1]
  if (wait === undefined) return { kind: gaveUp, reason: `${whatFailed(result)} No retry is left after ${tried}.` }
  const delay = wait * (1 - jitter / 2 + jitter * random)
  return { kind: 'parked', at: now + Math.max(delay, result.retryAfterMs ?? 0), reason: whatFailed(result) }
}

/** A sentence that tells whose turn it is: the endpoint refused, cannot be reached, or the gateway failed. */
function whatFailed({ status, stage, error }: AttemptResult): string {
  if (stage === 'gateway') return `The gateway failed: ${error}`
  if (stage === 'guard') return `The gateway may not call this address: ${error}`
  if (stage === 'auth') return `The endpoint's credentials could not be had: ${error}`
  if (stage === 'timeout') return `The endpoint did not answer in time: ${error}`
  if (status === undefined && stage === 'response') return `The endpoint broke off: ${error}`
  if (status === undefined) return `The endpoint could not be reached (${stage ?? 'unknown'}): ${error}`
  if (status >= 500) return `The endpoint failed with ${status}.`
  return `The endpoint refused with ${status}.`
}
