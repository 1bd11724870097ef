import { requireExclusiveKeys, requireLog } from '../core/capabilities.ts'
import type { OpenTopic } from '../core/topic.ts'
import type { Feed } from '../store/subscriptions.ts'
import { startOf } from './cursors.ts'

/** What a subscription asks of the broker of its topic. */

/** Throws UnsupportedError, also for a body that is not validated yet: 501 comes before 400. */
export function requireCapabilities(
  topic: OpenTopic,
  asked: { readonly ordering?: unknown; readonly start?: unknown },
): void {
  if (asked.ordering === 'key') requireExclusiveKeys(topic.broker.capabilities)
  if (asked.start !== undefined && asked.start !== 'latest') requireLog(topic.broker)
}

/** A place to start from, as it is stored: a cursor is the broker's own there. */
export function storedStart(topic: OpenTopic, text: string, pointer: string): string {
  const start = startOf(topic, text, pointer)
  return typeof start === 'object' && 'cursor' in start ? start.cursor : text
}

/** What feeds a subscription that starts there: the topic's group from now on, or the log until it has caught up. */
export function firstFeed(start: string): Feed {
  return start === 'latest' ? { state: 'attached' } : { state: 'detached', from: start, next: start }
}
