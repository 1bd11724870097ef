import type { Config } from './config.ts'

/**
 * More returns than there are. How often an event is tried is decided above, and nothing may be lost here; version 4 drops
 * a message of a quorum queue after its twentieth return unless it is told otherwise. It is a number, and the same for
 * every version: a queue outlives the upgrade of its server, and version 3 takes 4's word for none (-1) for no return.
 */
const deliveryLimit = 2 ** 31 - 1

/** What a queue is declared with. */
export function queueArguments({ queue }: Config): Record<string, string | number> {
  if (queue === 'classic') return { 'x-queue-type': 'classic' }
  return { 'x-queue-type': 'quorum', 'x-delivery-limit': deliveryLimit }
}

/** The same of a group's own queue. */
export function groupArguments(config: Config): Record<string, string | number | boolean> {
  const { ordering, queue, priorities } = config
  return {
    ...queueArguments(config),
    ...(ordering === 'key' && { 'x-single-active-consumer': true }),
    ...(queue === 'classic' && priorities !== undefined && { 'x-max-priority': priorities - 1 }),
  }
}
