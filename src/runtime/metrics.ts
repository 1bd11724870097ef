import type { Bridges } from '../bridges/bridges.ts'
import type { OpenTopic } from '../core/topic.ts'
import type { DeliveryEngine } from '../delivery/engine.ts'
import type { Metrics } from '../http/metrics.ts'
import { bridgeMetrics } from './bridge-metrics.ts'
import { Counter, contentType, Gauge, Histogram, type Metric } from './prometheus.ts'
import { watchMetrics } from './watch-metrics.ts'

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/**
 * What the app reports, and the state of the process. Written here because a client library would take a third of the
 * time of a start, and more for each observation.
 */
export class NodeMetrics implements Metrics {
  readonly public: boolean
  readonly #requests = new Histogram(
    'sluice_http_request_duration_seconds',
    'Requests by route; streams and long polls count until they are answered.',
    ['method', 'route', 'status'],
    seconds,
  )
  readonly #published = new Counter('sluice_events_published_total', 'Events by what the broker answered.', [
    'topic',
    'outcome',
  ])
  readonly #read = new Counter('sluice_events_read_total', 'Events read from a log.', ['topic'])
  readonly #pulled = new Counter('sluice_events_pulled_total', 'Deliveries handed to pullers.', ['topic', 'group'])
  readonly #settled = new Counter('sluice_deliveries_settled_total', 'Settlements by outcome.', [
    'topic',
    'group',
    'outcome',
  ])
  readonly #attempts = new Counter(
    'sluice_delivery_attempts_total',
    'Attempts at endpoints by what became of the delivery.',
    ['topic', 'outcome'],
  )
  readonly #attemptSeconds = new Histogram(
    'sluice_delivery_attempt_duration_seconds',
    'How long endpoints took to answer.',
    ['topic'],
    seconds,
  )
  readonly #deliverySeconds = new Histogram(
    'sluice_delivery_latency_seconds',
    'From when the gateway had the event to its success.',
    ['topic'],
    [...seconds, 60, 300, 3600, 86_400],
  )
  #engine: DeliveryEngine | undefined
  #bridges: Bridges | undefined
  readonly #all: readonly Metric[]

  constructor(isPublic: boolean, topics: () => readonly OpenTopic[]) {
    this.public = isPublic
    const queued = () => topics().map(({ name, publisher }) => [publisher.queuedBytes, name] as const)
    this.#all = [
      this.#requests,
      this.#published,
      this.#read,
      this.#pulled,
      this.#settled,
      new Gauge('sluice_topic_queued_bytes', 'What waits in memory for its broker.', ['topic'], queued),
      this.#attempts,
      this.#attemptSeconds,
      this.#deliverySeconds,
      ...processMetrics(),
    ]
  }

  /** From now on its subscriptions are shown too. */
  watch(engine: DeliveryEngine): void {
    this.#engine = engine
  }

  /** And these bridges. */
  watchBridges(bridges: Bridges): void {
    this.#bridges = bridges
  }

  attempted(topic: string, outcome: string, milliseconds: number): void {
    this.#attempts.add(1, topic, outcome)
    this.#attemptSeconds.observe(milliseconds / 1000, topic)
  }

  delivered(topic: string, milliseconds: number): void {
    this.#deliverySeconds.observe(milliseconds / 1000, topic)
  }

  async render(): Promise<{ contentType: string; body: string }> {
    const watched = this.#engine === undefined ? [] : watchMetrics(await this.#engine.watch())
    if (this.#bridges !== undefined) watched.push(...bridgeMetrics(await this.#bridges.watch()))
    return { contentType, body: [...this.#all, ...watched].map((metric) => metric.render()).join('') }
  }

  request(method: string, route: string, status: number, milliseconds: number): void {
    this.#requests.observe(milliseconds / 1000, method, route, String(status))
  }

  published(topic: string, outcome: string, events: number): void {
    this.#published.add(events, topic, outcome)
  }

  read(topic: string, events: number): void {
    this.#read.add(events, topic)
  }

  pulled(topic: string, group: string, events: number): void {
    this.#pulled.add(events, topic, group)
  }

  settled(topic: string, group: string, outcome: string, events: number): void {
    this.#settled.add(events, topic, group, outcome)
  }
}

/** Under the names that dashboards know from other programs. */
function processMetrics(): Metric[] {
  const one = (name: string, help: string, read: () => number, type: 'gauge' | 'counter' = 'gauge'): Metric =>
    new Gauge(name, help, [], () => [[read()]], type)
  const cpuSeconds = (): number => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }
  let last = performance.eventLoopUtilization()
  const utilization = (): number => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    return utilization
  }
  const startedAt = performance.timeOrigin / 1000
  return [
    one('process_cpu_seconds_total', 'CPU time spent.', cpuSeconds, 'counter'),
    one('process_start_time_seconds', 'When the process started, since the epoch.', () => startedAt),
    one('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss()),
    one('nodejs_heap_size_used_bytes', 'Heap in use.', () => process.memoryUsage().heapUsed),
    one(
      'nodejs_eventloop_utilization',
      'Share of the time that the event loop was busy, since last asked.',
      utilization,
    ),
  ]
}
