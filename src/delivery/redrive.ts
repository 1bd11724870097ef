import type { Redrive } from '../store/operations.ts'
import { pause } from './timing.ts'
import type { Work } from './work.ts'

const stepRows = 500
const stepMs = 250

/** Gives dead deliveries back, at the rate that was asked for. True when all are. */
export async function runRedrive({ shared, operation, mayGoOn, signal, due }: Work, what: Redrive): Promise<boolean> {
  const { context } = shared
  const { operations } = context.store
  // Tokens of a bucket that only this replica empties: it has the operation's lease.
  let allowed = what.ratePerSecond === undefined ? stepRows : 1
  while (await mayGoOn()) {
    const max = Math.min(stepRows, Math.floor(allowed))
    if (max > 0) {
      context.failpoint?.('before-redrive')
      const taken = await operations.redrive(operation.id, max, context.clock.now())
      context.failpoint?.('after-redrive')
      if (taken === 0) return true
      due()
      if (what.ratePerSecond !== undefined) allowed -= taken
    }
    if (what.ratePerSecond === undefined) continue
    const began = performance.now()
    await pause(stepMs, signal)
    const earned = ((performance.now() - began) / 1000) * what.ratePerSecond
    allowed = Math.min(Math.max(1, what.ratePerSecond), allowed + earned)
  }
  return false
}
