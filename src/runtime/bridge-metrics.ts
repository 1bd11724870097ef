import type { BridgeState } from '../bridges/bridges.ts'
import { Gauge, type Metric } from './prometheus.ts'

const labels = ['bridge', 'from', 'to']

/** How bridges fare. One series for each of them and each metric here. */
export function bridgeMetrics(states: readonly BridgeState[]): Metric[] {
  const each = (
    name: string,
    help: string,
    type: 'gauge' | 'counter',
    read: (state: BridgeState) => number | undefined,
  ): Metric =>
    new Gauge(
      `sluice_bridge_${name}`,
      help,
      labels,
      () =>
        states.flatMap((state) => {
          const value = read(state)
          const { name: called, from, to } = state.bridge.plan
          return value === undefined ? [] : [[value, called, from.name, to.name] as const]
        }),
      type,
    )
  return [
    each('moved_total', 'Events that the target has acknowledged.', 'counter', ({ bridge }) => bridge.counts.moved),
    each('filtered_total', 'Events that its filters left out.', 'counter', ({ bridge }) => bridge.counts.filtered),
    each('refused_total', 'Events that the target refused for good.', 'counter', ({ bridge }) => bridge.counts.refused),
    each('failures_total', 'Reads and publishes that failed and are tried again.', 'counter', ({ bridge }) => {
      return bridge.counts.failed
    }),
    each('up', '0 while its source cannot be read or its target takes nothing.', 'gauge', ({ bridge }) => {
      return bridge.isMoving ? 1 : 0
    }),
    each('lag_events', 'Events that it has still to move.', 'gauge', ({ lag }) => lag?.events),
    each('lag_seconds', 'How old the oldest of these is.', 'gauge', ({ lag }) => lag && lag.oldestMs / 1000),
  ]
}
