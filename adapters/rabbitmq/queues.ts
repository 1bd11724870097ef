import type { Config } from './config.ts'

/**
 * What a queue is declared with. Version 4 drops a message of a quorum queue after its twentieth return unless it is told
 * otherwise; how often an event is tried is decided above, and nothing may be lost here.
 */
export function queueArguments({ queue }: Config, version: string): Record<string, string | number> {
  if (queue === 'classic') return { 'x-queue-type': 'classic' }
  return Number.parseInt(version, 10) >= 4
    ? { 'x-queue-type': 'quorum', 'x-delivery-limit': -1 }
    : { 'x-queue-type': 'quorum' }
}

/** The same of a group's own queue. */
export function groupArguments(config: Config, version: string): Record<string, string | number | boolean> {
  const { ordering, queue, priorities } = config
  return {
    ...queueArguments(config, version),
    ...(ordering === 'key' && { 'x-single-active-consumer': true }),
    ...(queue === 'classic' && priorities !== undefined && { 'x-max-priority': priorities - 1 }),
  }
}
