import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, Ids } from '../core/clock.ts'
import type { Event } from '../core/event.ts'
import type { Logger } from '../core/logger.ts'
import { systemTopic } from '../core/topic-name.ts'
import type { Announcement } from '../delivery/context.ts'
import type { TopicRegistry } from '../http/gateway.ts'
import { hostOf } from './host.ts'

const tries = 5
const pauseMs = 1000

/**
 * Publishes what happens to subscriptions as events of the system topic. Whoever reads that need not be able to subscribe,
 * and so learns no endpoint's query, which may be a secret. Where that topic is not declared, or cannot be
 * published to, the log has it.
 */
export function announcer(topics: TopicRegistry, clock: Clock, log: Logger): (announcement: Announcement) => void {
  const ids = new Ids(clock)

  async function publish(event: Event): Promise<void> {
    const topic = topics.resolve(systemTopic) ?? (topics.creates ? await topics.create(systemTopic) : undefined)
    if (topic === undefined) return
    for (let left = tries; left > 0; left--) {
      const [result] = await topic.publisher.publish([event])
      if (result?.status === 'stored') return
      await sleep(pauseMs, undefined, { ref: false })
    }
    log('warn', 'What happened to a subscription could not be published.', { type: event.attributes.type })
  }

  return ({ type, subscription, reason, data }) => {
    const { id, name, topic, url, labels } = subscription
    const body = {
      subscription: id,
      ...(name !== undefined && { name }),
      topic,
      url: hostOf(url).plain,
      labels,
      reason,
      ...data,
    }
    const attributes = {
      specversion: '1.0',
      id: ids.uuid(),
      source: '/subscriptions',
      type,
      subject: id,
      time: new Date(clock.now()).toISOString(),
      datacontenttype: 'application/json',
    } as const
    publish({ attributes, data: new TextEncoder().encode(JSON.stringify(body)) }).catch((error: unknown) => {
      log('warn', 'What happened to a subscription could not be published.', { type, cause: String(error) })
    })
  }
}
