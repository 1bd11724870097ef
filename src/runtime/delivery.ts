import { createHash } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import type { Failpoint, Observer } from '../delivery/context.ts'
import { DeliveryEngine } from '../delivery/engine.ts'
import type { TopicRegistry, Webhooks } from '../http/gateway.ts'
import type { Store } from '../store/store.ts'
import { createSender } from '../webhook/sender.ts'
import { announcer } from './announcements.ts'

export interface DeliveryOptions {
  readonly clock: Clock
  readonly store: Store
  readonly topics: TopicRegistry
  readonly observer: Observer
  readonly log: Logger
  readonly allowPrivate: readonly string[]
  readonly allowLoopback: boolean
  /** Where the gateway itself listens: it never calls itself. */
  readonly ownHosts: readonly string[]
  readonly failpoint?: (point: Failpoint) => void
}

/** How many attempts run at once, all subscriptions together, and to one host. */
const maxAttempts = 2048
const maxConnectionsPerHost = 256

/** Delivery on Node, and what of it the API needs. */
export function createDelivery(options: DeliveryOptions): { engine: DeliveryEngine; webhooks: Webhooks } {
  const { clock, store, topics, observer, log, allowPrivate, allowLoopback, ownHosts, failpoint } = options
  const userAgent = 'Sluice/1'
  const sender = createSender({ clock, allowPrivate, allowLoopback, ownHosts, maxConnectionsPerHost, userAgent })
  const engine = new DeliveryEngine({
    clock,
    store,
    sender,
    topics,
    digest: (text) => createHash('sha256').update(text).digest('base64url'),
    maxAttempts,
    observer,
    log,
    announce: announcer(topics, clock, log),
    ...(failpoint !== undefined && { failpoint }),
  })
  const webhooks: Webhooks = {
    check: (url, pointer) => sender.check(url, pointer),
    prepare: (topic, start) => engine.prepare(topic, start),
    changed: () => engine.changed(),
    ping: (subscription) => engine.ping(subscription),
    state: (subscription) => engine.state(subscription),
  }
  return { engine, webhooks }
}
