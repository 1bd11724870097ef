import type { Logger } from '../core/logger.ts'
import type { Observer } from '../delivery/context.ts'
import type { NodeMetrics } from './metrics.ts'

/** What one attempt leaves behind: a line in the log, and counts. */
export function deliveryObserver(metrics: NodeMetrics, log: Logger): Observer {
  return {
    ended({ subscription, id, eventId, number, since, replay }, result, outcome) {
      const { at, durationMs, status, stage, error } = result
      metrics.attempted(subscription.topic, outcome, durationMs)
      if (outcome === 'succeeded') metrics.delivered(subscription.topic, at + durationMs - since)
      log(outcome === 'succeeded' ? 'info' : 'warn', 'delivery', {
        delivery: id,
        subscription: subscription.id,
        topic: subscription.topic,
        event: eventId,
        attempt: number,
        outcome,
        ...(status !== undefined && { status }),
        ...(stage !== undefined && { stage }),
        ...(error !== undefined && { error }),
        ms: Math.round(durationMs * 10) / 10,
        ...(replay !== undefined && { replay }),
      })
    },
  }
}
