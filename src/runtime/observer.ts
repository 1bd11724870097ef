import type { Logger } from '../core/logger.ts'
import type { ObservedAttempt, Observer } from '../delivery/context.ts'
import { hostOf } from './host.ts'
import type { NodeMetrics } from './metrics.ts'
import type { TracedAttempt, Tracing } from './tracing.ts'

/**
 * What one attempt leaves behind: counts, a span where it is traced, and one line in the log, whose fields come in this
 * order: what happened, where, to what, and what is next. Of the endpoint's address it has the host alone.
 */
export function deliveryObserver(metrics: NodeMetrics, log: Logger, tracing?: Tracing): Observer {
  const traced = new Map<string, TracedAttempt>()
  return {
    ...(tracing !== undefined && {
      begin(attempt, event) {
        const key = keyOf(attempt)
        const span = tracing.attempt(attempt, event)
        traced.set(key, span)
        return {
          context: span.context,
          end(result) {
            traced.delete(key)
            span.end(result)
          },
        }
      },
    }),
    ended(attempt, result, outcome, next) {
      const { subscription, id, eventId, number, since, replay } = attempt
      const { at, durationMs, status, stage, error } = result
      const { topic, name, url } = subscription
      metrics.attempted(topic, outcome, durationMs)
      if (outcome === 'succeeded') metrics.delivered(topic, at + durationMs - since)
      const span = tracing === undefined ? undefined : traced.get(keyOf(attempt))
      if (span !== undefined) span.outcome = outcome
      // JSON leaves out what is undefined.
      log(outcome === 'succeeded' ? 'info' : 'warn', 'delivery', {
        outcome,
        status,
        ms: tenths(durationMs),
        waitedMs: tenths(Math.max(0, at - since)),
        host: hostOf(url).short,
        topic,
        event: eventId,
        subscription: subscription.id,
        name,
        delivery: id,
        attempt: number,
        replay,
        stage,
        error,
        next: next === undefined ? undefined : new Date(next).toISOString(),
        trace: span?.traceId,
      })
    },
  }
}

function keyOf({ id, number }: ObservedAttempt): string {
  return `${id} ${number}`
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10
}
