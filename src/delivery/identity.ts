import type { Event } from '../core/event.ts'

/**
 * The id of a delivery, which is also its `webhook-id`: from the subscription, the topic, and the source and id of the
 * event, so that it is the same on every retry, crash and redrive. Standard Webhooks allows no dot in it.
 */
export function deliveryId(
  digest: (text: string) => string,
  subscription: string,
  topic: string,
  event: Event,
): string {
  const { source, id } = event.attributes
  return `dlv_${digest(`${subscription}\n${topic}\n${source}\n${id}`).slice(0, 32)}`
}

/** A replay's deliveries are others than the live ones, and the same when the replay goes on after a crash. */
export function replayId(
  digest: (text: string) => string,
  operation: string,
  subscription: string,
  topic: string,
  event: Event,
): string {
  return deliveryId(digest, `${operation}\n${subscription}`, topic, event)
}

/** What rows of one event share their payload by. */
export function eventRef(digest: (text: string) => string, topic: string, event: Event): string {
  return digest(`${topic}\n${event.attributes.source}\n${event.attributes.id}`).slice(0, 32)
}
