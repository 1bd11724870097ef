import { hash } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import type { Failpoint, Observer, Topics } from '../delivery/context.ts'
import { DeliveryEngine } from '../delivery/engine.ts'
import type { TopicRegistry, Webhooks } from '../http/gateway.ts'
import type { Store } from '../store/store.ts'
import type { Listening } from '../webhook/own-address.ts'
import { announcer } from './announcements.ts'
import { LazySender } from './lazy-sender.ts'

export interface DeliveryOptions {
  readonly clock: Clock
  readonly store: Store
  readonly topics: TopicRegistry & Topics
  readonly observer: Observer
  readonly log: Logger
  readonly allowPrivate: readonly string[]
  readonly allowLoopback: boolean
  /** Where the gateway itself listens: it never calls itself. */
  readonly listening: Listening
  readonly failpoint?: (point: Failpoint) => void
}

/** How many attempts run at once, all subscriptions together, and to one host. */
const maxAttempts = 2048
const maxConnectionsPerHost = 256

/** From this share of its time on the event loop has none to spare, over windows of at least so long. */
const busyShare = 0.9
const windowMs = 20

function busyLoop(): () => boolean {
  let last = performance.eventLoopUtilization()
  let isBusy = false
  return () => {
    const now = performance.eventLoopUtilization()
    if (now.idle + now.active - last.idle - last.active < windowMs) return isBusy
    isBusy = performance.eventLoopUtilization(now, last).utilization >= busyShare
    last = now
    return isBusy
  }
}

/** Delivery on Node, and what of it the API needs. */
export function createDelivery(options: DeliveryOptions): { engine: DeliveryEngine; webhooks: Webhooks } {
  const { clock, store, topics, observer, log, allowPrivate, allowLoopback, listening, failpoint } = options
  const userAgent = 'Sluice/1'
  const sender = new LazySender(async () => {
    const { createSender } = await import('../webhook/sender.ts')
    return createSender({ clock, allowPrivate, allowLoopback, listening, maxConnectionsPerHost, userAgent })
  })
  const engine = new DeliveryEngine({
    clock,
    store,
    sender,
    topics,
    digest: (text) => hash('sha256', text, 'base64url'),
    maxAttempts,
    isBusy: busyLoop(),
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
    behind: (subscription) => engine.behind(subscription),
    look: (subscription) => engine.look(subscription),
  }
  return { engine, webhooks }
}
