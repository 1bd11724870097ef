import type { Broker, Consumer, PublishResult, Settlement, SettleResult } from '../../src/core/broker.ts'
import type { Attributes, Event } from '../../src/core/event.ts'

/** A broker that passes everything on, except what `change` replaces. */
function changed(broker: Broker, change: Partial<Broker>): Broker {
  const { capabilities, groups, log, admin, deadLetters } = broker
  return {
    capabilities,
    groups,
    ...(log && { log }),
    ...(admin && { admin }),
    ...(deadLetters && { deadLetters }),
    publish: (topic, events, options) => broker.publish(topic, events, options),
    open: (topic, group, options) => broker.open(topic, group, options),
    health: () => broker.health(),
    close: () => broker.close(),
    ...change,
  }
}

function withConsumers(broker: Broker, change: (consumer: Consumer, group: string) => Partial<Consumer>): Broker {
  return changed(broker, {
    async open(topic, group, options) {
      const consumer = await broker.open(topic, group, options)
      return {
        pull: (options) => consumer.pull(options),
        settle: (settlements) => consumer.settle(settlements),
        close: () => consumer.close(),
        ...change(consumer, `${topic}/${group}`),
      }
    },
  })
}

/** Says that an event is stored as soon as it was sent, like a producer that waits for no acknowledgement. */
export function acknowledgesBeforeStoring(broker: Broker): Broker {
  return changed(broker, {
    async publish(topic, events, options) {
      const publishing = broker.publish(topic, events, options)
      publishing.catch(() => undefined)
      // What is refused on the way is known before anything is sent.
      const sent = new Promise<undefined>((resolve) => setImmediate(resolve, undefined))
      const known = await Promise.race([publishing, sent])
      return known ?? events.map(({ attributes }): PublishResult => ({ id: attributes.id, status: 'stored' }))
    },
  })
}

/** Collects acks until the next pull, and forgets them when it is closed before. */
export function redeliversAfterAck(broker: Broker): Broker {
  return withConsumers(broker, (consumer) => {
    let collected: Settlement[] = []
    return {
      async pull(options) {
        const flushing = collected
        collected = []
        await consumer.settle(flushing)
        return consumer.pull(options)
      },
      async settle(settlements) {
        const acks = settlements.filter(({ outcome }) => outcome.kind === 'ack')
        const others = settlements.filter(({ outcome }) => outcome.kind !== 'ack')
        collected.push(...acks)
        const answered = [...(await consumer.settle(others))]
        return settlements.map(
          ({ outcome }): SettleResult => (outcome.kind === 'ack' ? { status: 'ok' } : answered.shift()!),
        )
      },
    }
  })
}

/** Keeps ten attributes of an event, as a broker with so few headers would. */
export function dropsAttributes(broker: Broker): Broker {
  const fewer = (event: Event): Event => {
    const attributes = Object.fromEntries(Object.entries(event.attributes).slice(0, 10)) as unknown as Attributes
    return { ...event, attributes }
  }
  return changed(broker, {
    publish: (topic, events, options) => broker.publish(topic, events.map(fewer), options),
  })
}

export function ignoresPrefetch(broker: Broker): Broker {
  return changed(broker, { open: (topic, group) => broker.open(topic, group, { prefetch: 1000 }) })
}

export function createsTopics(broker: Broker): Broker {
  return changed(broker, {
    async publish(topic, events, options) {
      await broker.admin!.ensure(topic, {})
      return broker.publish(topic, events, options)
    },
  })
}

/** Sends a large batch in the wrong order, and answers in the right one. */
export function reordersBatches(broker: Broker): Broker {
  return changed(broker, {
    async publish(topic, events, options) {
      if (events.length <= 10) return broker.publish(topic, events, options)
      return [...(await broker.publish(topic, events.toReversed(), options))].reverse()
    },
  })
}

/** Takes the ack of an earlier attempt for one of the newest. */
export function settlesByEvent(broker: Broker): Broker {
  const newest = new Map<string, string>()
  return withConsumers(broker, (consumer, group) => {
    const eventOf = (receipt: string): string => `${group}/${receipt.split(':')[0]}`
    return {
      async pull(options) {
        const batch = await consumer.pull(options)
        for (const { receipt } of batch.deliveries) newest.set(eventOf(receipt), receipt)
        return batch
      },
      async settle(settlements) {
        const receiptOf = ({ receipt, outcome }: Settlement): string =>
          outcome.kind === 'ack' ? (newest.get(eventOf(receipt)) ?? receipt) : receipt
        const results = await consumer.settle(settlements.map((one) => ({ ...one, receipt: receiptOf(one) })))
        for (const result of results) {
          if (result.status === 'ok' && result.renewed !== undefined)
            newest.set(eventOf(result.renewed), result.renewed)
        }
        return results
      },
    }
  })
}

/** Takes a delay, and forgets it. */
export function ignoresDelays(broker: Broker): Broker {
  const now = ({ receipt, outcome }: Settlement): Settlement =>
    outcome.kind === 'nack' ? { receipt, outcome: { kind: 'nack' } } : { receipt, outcome }
  const late = withConsumers(broker, (consumer) => ({
    settle: (settlements) => consumer.settle(settlements.map(now)),
  }))
  return changed(late, {
    publish: (topic, events, { delayMs: _, ...options }) => broker.publish(topic, events, options),
  })
}

/** Takes a deduplication window, and forgets it. */
export function ignoresWindows(broker: Broker): Broker {
  const admin = broker.admin!
  return changed(broker, {
    admin: {
      ensure: (topic, { dedupWindowMs: _, ...spec }) => admin.ensure(topic, { ...spec, dedupWindowMs: 0 }),
      diff: (topic, spec) => admin.diff(topic, spec),
      describe: (topic) => admin.describe(topic),
      list: () => admin.list(),
    },
  })
}

/** Counts what is in flight as done. */
export function countsInFlightAsDone(broker: Broker): Broker {
  const { groups } = broker
  const seek = groups.seek?.bind(groups)
  const hasDelayed = groups.hasDelayed?.bind(groups)
  return changed(broker, {
    groups: {
      create: (topic, group, options) => groups.create(topic, group, options),
      async describe(topic, group) {
        const { lag, ...state } = await groups.describe(topic, group)
        return { ...state, ...(lag && { lag: { ...lag, events: lag.events - state.inFlight } }) }
      },
      list: (topic) => groups.list(topic),
      delete: (topic, group) => groups.delete(topic, group),
      ...(seek && { seek }),
      ...(hasDelayed && { hasDelayed }),
    },
  })
}

/** Leaves a timer behind each time it is closed. */
export function leaksHandles(broker: Broker, leaked: NodeJS.Timeout[]): Broker {
  return changed(broker, {
    async close() {
      leaked.push(setInterval(() => undefined, 60_000))
      await broker.close()
    },
  })
}
