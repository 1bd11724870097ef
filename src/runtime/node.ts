import { Bridges } from '../bridges/bridges.ts'
import type { BridgePoint } from '../bridges/plan.ts'
import type { LoadedConfig } from '../config/load.ts'
import { openConfig } from '../config/open.ts'
import { limitsOf } from '../config/schema.ts'
import { systemClock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { systemTopic } from '../core/topic-name.ts'
import type { Failpoint } from '../delivery/context.ts'
import { HeldTopics } from '../delivery/held/topic.ts'
import type { Gateway } from '../http/gateway.ts'
import type { Store } from '../store/store.ts'
import { nodeAdapters } from './adapters.ts'
import { refusalAnnouncer } from './announcements.ts'
import { docsAsset } from './assets.ts'
import { declaredBridges, plansOf } from './bridges.ts'
import { declaredSubscriptions } from './declared.ts'
import { NodeKeyRing } from './key-ring.ts'
import { sha256 } from './key-text.ts'
import { isLoopback } from './loopback.ts'
import { NodeMetrics } from './metrics.ts'
import { deliveryObserver } from './observer.ts'
import { openStore as openConfigured } from './store.ts'
import { subscribersOf } from './subscribers.ts'
import { syncDeclared } from './sync-declared.ts'
import { openTraces } from './traces.ts'

/** What is left of the time for a shutdown to the brokers and the store. */
const closingShare = 0.2
/** And to the last traces. */
const tracesShare = 0.05

export interface GatewayOptions {
  readonly loaded: LoadedConfig
  /** The configuration file, whose keys are read again while the gateway runs; undefined where there is none. */
  readonly file: string | undefined
  readonly environment: NodeJS.ProcessEnv
  readonly host: string
  readonly port: number
  /** The broker on which topics come into being on first use; undefined where they are only declared. */
  readonly createOn: string | undefined
  /** Whether webhooks may go to this machine: only for development. */
  readonly allowLoopback: boolean
  readonly log: Logger
  /** Where tests end the process. */
  readonly failpoint?: (point: Failpoint | BridgePoint) => void
  /** Where tests break the store, to see that what checks the gateway notices. */
  readonly decorate?: (store: Store) => Store
}

export interface RunningGateway {
  readonly url: string
  /** Readiness fails, waits end, requests are answered, then everything is closed. Calling it again waits for the same. */
  stop(): Promise<void>
}

/** Opens everything and serves it. Where a part fails, what was opened before is closed again. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { loaded, log } = options
  const clock = systemClock
  const limits = limitsOf(loaded.config)
  const declared = declaredSubscriptions(loaded)
  const bridging = declaredBridges(loaded)
  const release = new Releases()
  try {
    let store: Store | undefined
    const openStore = async (): Promise<Store> => {
      const opened = await openConfigured(loaded, clock)
      release.push(opened.close)
      store = options.decorate?.(opened) ?? opened
      return store
    }
    const held = new HeldTopics(() => ({ clock, store: store!.heldGroups, log }))
    const opening = openConfig(loaded, {
      registry: nodeAdapters,
      bindings: async () => (await openStore()).bindings,
      clock,
      limits,
      hooks: {
        defer: (run) => setImmediate(run),
        onFault: ({ message, cause }) => log('error', message, { cause: String(cause) }),
      },
      createOn: options.createOn,
      systemTopic,
      onCreate: (topic, broker) => log('info', 'A topic was made on first use.', { topic, broker }),
      hold: (place) => held.add(place),
      subscribers: (topic) => subscribersOf(store!.subscriptions, topic),
      log,
    })
    // While brokers open, the app is loaded.
    const [opened, { createApp }, { listen }, traces] = await Promise.all([
      opening,
      import('../http/app.ts'),
      import('./node-server.ts'),
      openTraces(options.environment, log),
    ])
    if (traces !== undefined) release.push(() => traces.close(limits.shutdown * tracesShare))
    release.push(opened.close)
    const plans = plansOf(bridging, loaded, opened.brokers, opened.topics)
    // Before the brokers: they have their consumers back then.
    release.push(() => held.close())
    const ring = await NodeKeyRing.open(
      { store: store!.keys, file: options.file, environment: options.environment, log },
      loaded.config.keys,
    )
    release.push(async () => ring.close())
    if (!ring.inUse) requireLoopback(options.host)

    const stopping = new AbortController()
    const metrics = new NodeMetrics(loaded.config.metrics.public, () => opened.topics.list())
    let { port } = options
    const { createDelivery } = await import('./delivery.ts')
    const { engine, webhooks } = createDelivery({
      clock,
      store: store!,
      topics: opened.topics,
      observer: deliveryObserver(metrics, log, traces?.tracing),
      log,
      allowPrivate: loaded.config.outbound.allowPrivate,
      allowLoopback: options.allowLoopback,
      listening: { host: options.host, port: () => port },
      ...(options.failpoint !== undefined && { failpoint: options.failpoint }),
    })
    metrics.watch(engine)
    release.push(() => engine.stop(0))
    const context = { subscriptions: store!.subscriptions, topics: opened.topics, webhooks, clock, log }
    await syncDeclared(declared, context)
    await engine.start()
    const bridges = new Bridges(
      {
        clock,
        log,
        announce: refusalAnnouncer(opened.topics, clock, log),
        ...(options.failpoint !== undefined && { failpoint: options.failpoint }),
      },
      plans,
    )
    metrics.watchBridges(bridges)
    release.push(() => bridges.stop(0))
    await bridges.start()
    const gateway: Gateway = {
      clock,
      limits,
      topics: opened.topics,
      brokers: opened.brokers,
      store: store!,
      webhooks,
      hooks: new Map(Object.entries(loaded.config.hooks)),
      get keys() {
        return ring.inUse ? ring : undefined
      },
      sha256,
      headersAreBounded: true,
      cors: loaded.config.cors.origins,
      metrics,
      ...(traces !== undefined && { tracer: traces.tracing }),
      log,
      asset: docsAsset,
      stopping: stopping.signal,
    }
    const server = await listen(createApp(gateway), {
      host: options.host,
      port: options.port,
      limits,
      stopping: stopping.signal,
    })
    port = Number(new URL(server.url).port)
    let stopped: Promise<void> | undefined
    const stop = async (): Promise<void> => {
      stopping.abort()
      const graceMs = limits.shutdown * (1 - closingShare)
      await Promise.all([server.stop(graceMs), engine.stop(graceMs), bridges.stop(graceMs)])
      await release.all()
    }
    return {
      url: server.url,
      stop() {
        stopped ??= stop()
        return stopped
      },
    }
  } catch (error) {
    await release.all()
    throw error
  }
}

/** What was opened, to be closed in the reverse order. */
class Releases {
  readonly #releases: (() => Promise<void>)[] = []

  push(release: () => Promise<void>): void {
    this.#releases.push(release)
  }

  async all(): Promise<void> {
    for (let next = this.#releases.pop(); next !== undefined; next = this.#releases.pop()) await next().catch(() => {})
  }
}

function requireLoopback(host: string): void {
  if (isLoopback(host)) return
  const detail = `Without keys the gateway serves this machine only, and ${host} is reachable from elsewhere. Make a key \
with 'sluice keys create --name admin --scope admin --scope publish --scope consume --scope subscribe', put its lines under keys: in the configuration, and start again.`
  throw new GatewayError('misconfigured', detail)
}
