import type { NewDelivery } from '../../src/store/deliveries.ts'

/** A row as the delivery of webhooks would insert it: dead after one attempt, unless said otherwise. */
export function newDelivery(
  given: Pick<NewDelivery, 'id' | 'subscription' | 'topic'> & Partial<NewDelivery>,
): NewDelivery {
  const event = { specversion: '1.0', id: `e-${given.id}`, source: '/shop', type: 'order', data: { n: 1 } }
  const text = JSON.stringify(event).replace('"n":1', '"n":9007199254740993')
  return {
    event: {
      ref: `ref-${given.id}`,
      id: event.id,
      source: event.source,
      type: event.type,
      position: `at-${given.id}`,
      bytes: new TextEncoder().encode(text),
    },
    status: 'dead',
    reason: 'It answered 500.',
    attempts: [
      {
        number: 1,
        at: 1_700_000_000_000,
        durationMs: 12,
        status: 500,
        body: 'no',
        error: 'It answered 500.',
        stage: 'response',
      },
    ],
    now: 1_700_000_000_500,
    ...given,
  }
}
