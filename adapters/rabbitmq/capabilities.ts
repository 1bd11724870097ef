import type { Capabilities } from '../../src/core/index.ts'
import type { Config } from './config.ts'

/** Of one topic; what is sent and not confirmed is in memory. */
const publish = { maxEvents: 1000, maxBytes: 4 << 20, concurrency: 4 }

export function capabilitiesOf({ queue, ordering, maxEventBytes }: Config): Capabilities {
  const single = ordering === 'key'
  return {
    settlement: 'individual',
    receipt: 'session',
    fencing: 'broker',
    nackDelayMs: 0,
    reject: true,
    extend: false,
    // Classic queues only say whether a message was delivered before.
    attempts: queue === 'quorum',
    // One consumer at a time has the whole queue.
    ordering: single ? 'topic' : 'none',
    exclusiveKeys: single,
    dedupWindowMs: 0,
    publishDelayMs: 0,
    atomicPublishMax: 0,
    groups: 'many',
    seek: false,
    replay: false,
    // What consumers elsewhere hold is not counted by the server's answer.
    lag: 'approximate',
    // A quorum queue confirms what a majority has on disk. How many nodes that is, AMQP does not tell.
    durability: queue === 'quorum' ? 'machine' : 'process',
    publish,
    maxEventBytes,
  }
}
