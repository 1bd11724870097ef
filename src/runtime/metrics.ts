import type { OpenTopic } from '../http/gateway.ts'
import type { Metrics } from '../http/metrics.ts'

type Instruments = Awaited<ReturnType<typeof loadInstruments>>

/** Enough to bridge the time until the client library is there. */
const maxWaiting = 20_000
const loadAfterMs = 2000

/**
 * Metrics by prom-client. Loading it takes longer than the whole rest of a start, so that it comes after the first
 * requests were answered; what is observed before waits.
 */
export class NodeMetrics implements Metrics {
  readonly public: boolean
  readonly #topics: () => readonly OpenTopic[]
  #loading: Promise<Instruments> | undefined
  #instruments: Instruments | undefined
  #waiting: ((instruments: Instruments) => void)[] = []
  readonly #timer: NodeJS.Timeout

  constructor(isPublic: boolean, topics: () => readonly OpenTopic[]) {
    this.public = isPublic
    this.#topics = topics
    this.#timer = setTimeout(() => void this.#load(), loadAfterMs).unref()
  }

  async render(): Promise<{ contentType: string; body: string }> {
    const { registry } = await this.#load()
    return { contentType: registry.contentType, body: await registry.metrics() }
  }

  request(method: string, route: string, status: number, milliseconds: number): void {
    this.#observe(({ requests }) => requests.labels(method, route, String(status)).observe(milliseconds / 1000))
  }

  published(topic: string, outcome: string, events: number): void {
    this.#observe(({ published }) => published.labels(topic, outcome).inc(events))
  }

  read(topic: string, events: number): void {
    this.#observe(({ read }) => read.labels(topic).inc(events))
  }

  pulled(topic: string, group: string, events: number): void {
    this.#observe(({ pulled }) => pulled.labels(topic, group).inc(events))
  }

  settled(topic: string, group: string, outcome: string, events: number): void {
    this.#observe(({ settled }) => settled.labels(topic, group, outcome).inc(events))
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #observe(observation: (instruments: Instruments) => void): void {
    if (this.#instruments !== undefined) {
      observation(this.#instruments)
      return
    }
    this.#waiting.push(observation)
    if (this.#waiting.length >= maxWaiting) void this.#load()
  }

  #load(): Promise<Instruments> {
    this.#loading ??= loadInstruments(this.#topics).then((instruments) => {
      for (const observation of this.#waiting) observation(instruments)
      this.#waiting = []
      this.#instruments = instruments
      return instruments
    })
    return this.#loading
  }
}

async function loadInstruments(topics: () => readonly OpenTopic[]) {
  const { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } = await import('prom-client')
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers })
  new Gauge({
    name: 'sluice_topic_queued_bytes',
    help: 'What waits in memory for its broker.',
    labelNames: ['topic'],
    registers,
    collect() {
      for (const { name, publisher } of topics()) this.labels(name).set(publisher.queuedBytes)
    },
  })
  return {
    registry,
    requests: new Histogram({
      name: 'sluice_http_request_duration_seconds',
      help: 'Requests by route; streams and long polls count until they end.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    published: counter('sluice_events_published_total', 'Events by what the broker answered.', ['topic', 'outcome']),
    read: counter('sluice_events_read_total', 'Events read from a log.', ['topic']),
    pulled: counter('sluice_events_pulled_total', 'Deliveries handed to pullers.', ['topic', 'group']),
    settled: counter('sluice_deliveries_settled_total', 'Settlements by outcome.', ['topic', 'group', 'outcome']),
  }
}
