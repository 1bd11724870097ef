import type { Batch, Consumer, Delivery, Outcome, Settlement, SettleResult } from './broker.ts'

export type Handler = (delivery: Delivery, signal: AbortSignal) => Promise<Outcome>

/**
 * Runs `handler` on every delivery of a batch at once and settles them together when all are done. A handler that
 * throws, or is not done within `timeoutMs`, is a nack; its signal aborts then, and when the assignment is revoked.
 * What was revoked meanwhile is not settled: it belongs to somebody else.
 */
export async function dispatch(
  consumer: Consumer,
  batch: Batch,
  handler: Handler,
  timeoutMs: number,
): Promise<readonly SettleResult[]> {
  // A signal that aborted before tells nobody any more.
  if (batch.revoked.aborted) return []
  const settlements = await Promise.all(
    batch.deliveries.map(
      async (delivery): Promise<Settlement> => ({
        receipt: delivery.receipt,
        outcome: await handle(delivery, handler, timeoutMs, batch.revoked),
      }),
    ),
  )
  if (batch.revoked.aborted || settlements.length === 0) return []
  return consumer.settle(settlements)
}

async function handle(delivery: Delivery, handler: Handler, timeoutMs: number, revoked: AbortSignal): Promise<Outcome> {
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(), timeoutMs)
  const signal = AbortSignal.any([timeout.signal, revoked])
  const aborted = new Promise<Outcome>((resolve) => {
    signal.addEventListener('abort', () => resolve({ kind: 'nack' }), { once: true })
  })
  try {
    return await Promise.race([handler(delivery, signal), aborted])
  } catch {
    return { kind: 'nack' }
  } finally {
    clearTimeout(timer)
  }
}
