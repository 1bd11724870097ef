import { setTimeout as sleep } from 'node:timers/promises'
import type { Refused } from '../bridges/plan.ts'
import { type Clock, Ids } from '../core/clock.ts'
import type { Event } from '../core/event.ts'
import type { Logger } from '../core/logger.ts'
import { systemTopic } from '../core/topic-name.ts'
import type { Announcement } from '../delivery/context.ts'
import type { TopicRegistry } from '../http/gateway.ts'
import { hostOf } from './host.ts'

const tries = 5
const pauseMs = 1000
/** While the system topic takes nothing, no more than so many wait for it. */
const maxWaiting = 1000

interface Told {
  readonly type: string
  readonly source: string
  readonly subject: string
  readonly body: object
}

/** Publishes to the system topic. Where that is not declared, or cannot be published to, the log has it. */
function teller(topics: TopicRegistry, clock: Clock, log: Logger): (told: Told) => void {
  const ids = new Ids(clock)
  let waiting = 0

  async function publish(event: Event): Promise<boolean> {
    const topic = topics.resolve(systemTopic) ?? (topics.creates ? await topics.create(systemTopic) : undefined)
    if (topic === undefined) return true
    for (let left = tries; left > 0; left--) {
      const [result] = await topic.publisher.publish([event])
      if (result?.status === 'stored') return true
      await sleep(pauseMs, undefined, { ref: false })
    }
    return false
  }

  return ({ type, source, subject, body }) => {
    const lost = (cause?: unknown): void => {
      log('warn', 'What happened could not be published.', { type, subject, ...(cause !== undefined && { cause }) })
    }
    if (waiting === maxWaiting) return lost('Too much waits for the system topic.')
    const attributes = {
      specversion: '1.0',
      id: ids.uuid(),
      source,
      type,
      subject,
      time: new Date(clock.now()).toISOString(),
      datacontenttype: 'application/json',
    } as const
    waiting++
    publish({ attributes, data: new TextEncoder().encode(JSON.stringify(body)) })
      .then(
        (isStored) => {
          if (!isStored) lost()
        },
        (error: unknown) => lost(String(error)),
      )
      .finally(() => {
        waiting--
      })
  }
}

/**
 * Tells what happens to subscriptions. Whoever reads that need not be able to subscribe, and so learns no endpoint's
 * query, which may be a secret.
 */
export function announcer(topics: TopicRegistry, clock: Clock, log: Logger): (announcement: Announcement) => void {
  const tell = teller(topics, clock, log)
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
    tell({ type, source: '/subscriptions', subject: id, body })
  }
}

/** Tells what a bridge could not move: which event, and never what is in it. */
export function refusalAnnouncer(topics: TopicRegistry, clock: Clock, log: Logger): (refused: Refused) => void {
  const tell = teller(topics, clock, log)
  return ({ bridge: { name, from, to }, event, position, error, kept }) => {
    // What is refused of the system topic itself would be told there, and be refused again.
    if (from.name === systemTopic) return
    const { id, source } = event.attributes
    const body = {
      bridge: name,
      from: from.name,
      to: to.name,
      event: id,
      source,
      ...(position !== undefined && { position }),
      reason: `${error.code}: ${error.detail}`,
      deadLetter: kept,
    }
    tell({ type: 'sluice.bridge.refused', source: '/bridges', subject: name, body })
  }
}
