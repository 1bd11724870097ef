import type { Watch } from '../delivery/engine.ts'
import { Gauge, type Metric } from './prometheus.ts'

type Lane = Watch['lanes'][number]

const labels = ['subscription', 'name', 'topic']
const bounded = 'One series for each subscription.'

/** How subscriptions and their topics fare. There are as many series as there are subscriptions, times the metrics here. */
export function watchMetrics({ now, lanes, groups, left }: Watch): Metric[] {
  const bySubscription = (name: string, help: string, read: (one: Lane) => number): Metric =>
    new Gauge(`sluice_subscription_${name}`, `${help} ${bounded}`, labels, () =>
      lanes.map((one) => {
        const { id, name: called = '', topic } = one.lane.subscription
        return [read(one), id, called, topic] as const
      }),
    )
  const flag = (name: string, help: string, is: (one: Lane) => boolean): Metric =>
    bySubscription(name, help, (one) => (is(one) ? 1 : 0))
  return [
    bySubscription('lag_events', 'Pending, and unread in the log where it is detached; at most so many.', (one) => {
      return rowsOf(one) + (one.behind?.events ?? 0)
    }),
    bySubscription('lag_seconds', 'How long the oldest of these waits; 0 where there is none.', (one) => {
      const waiting = rowsOf(one) > 0 ? one.pending.oldestAt : now
      return Math.max(0, now - Math.min(waiting, one.behind?.oldestAt ?? now)) / 1000
    }),
    bySubscription('pending_events', 'What waits for it in the store.', rowsOf),
    bySubscription('pending_bytes', 'The same in bytes.', ({ pending }) => Math.max(0, pending.bytes)),
    bySubscription('oldest_pending_seconds', 'How long the oldest of these waits; 0 where there is none.', (one) => {
      return rowsOf(one) > 0 ? Math.max(0, now - one.pending.oldestAt) / 1000 : 0
    }),
    bySubscription('in_flight', 'Attempts under way on this replica.', ({ lane }) => lane.inFlight),
    flag('active', '0 where it is paused, disabled or ended.', ({ lane }) => lane.isActive),
    flag('detached', '1 where it reads from the log, because it could not keep up.', ({ lane }) => {
      return lane.subscription.feed.state !== 'attached'
    }),
    flag('breaker_open', '1 where this replica makes no attempt but a probe, because most have failed.', ({ lane }) => {
      return lane.state.breaker !== 'closed'
    }),
    new Gauge(
      'sluice_subscription_info',
      `Its status, feed and breaker as words, always 1. ${bounded}`,
      [...labels, 'status', 'feed', 'breaker'],
      () =>
        lanes.map(({ lane }) => {
          const { id, name = '', topic, status, feed } = lane.subscription
          return [1, id, name, topic, status, feed.state, lane.state.breaker] as const
        }),
    ),
    new Gauge(
      'sluice_fanout_lag_events',
      "Events of a topic that the gateway's own group has not given to its subscriptions yet. One series for each topic.",
      ['topic'],
      () => groups.map(({ topic, events }) => [events, topic] as const),
    ),
    new Gauge(
      'sluice_fanout_lag_seconds',
      'How old the oldest of these is. One series for each topic.',
      ['topic'],
      () => groups.map(({ topic, oldestMs }) => [oldestMs / 1000, topic] as const),
    ),
    new Gauge(
      'sluice_drain_left_events_total',
      'Events and dead letters of pull groups that were left behind when the deadline of a drain was over.',
      ['topic'],
      () => left.map(({ topic, events }) => [events, topic] as const),
      'counter',
    ),
  ]
}

/** Never below zero: rows that another replica has finished are known with the next look at the store. */
function rowsOf({ pending }: Lane): number {
  return Math.max(0, pending.events)
}
