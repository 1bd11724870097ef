import { requireExclusiveKeys, requireLog, requireRoom } from '../core/capabilities.ts'
import type { OpenTopic } from '../core/topic.ts'
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

/** Throws UnsupportedError where the topic has a group that is not `meant`, and its broker has no place for another. */
export async function requireGroup(topic: OpenTopic, meant: (group: string) => boolean): Promise<void> {
  const { capabilities, groups } = topic.broker
  if (capabilities.groups === 'many') return
  const there = await groups.list(topic.brokerTopic)
  requireRoom(
    capabilities,
    there.filter((group) => !meant(group)),
  )
}

/** A place to start from, as it is stored: a cursor is the broker's own there. */
export function storedStart(topic: OpenTopic, text: string, pointer: string): string {
  const start = startOf(topic, text, pointer)
  return typeof start === 'object' && 'cursor' in start ? start.cursor : text
}
