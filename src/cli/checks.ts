import type { DeclaredBridge } from '../bridges/plan.ts'
import { bind, type Rebinding, type Remembered, takenPlaces } from '../config/bindings.ts'
import { type OpenedBroker, openBrokers, prepareBrokers, type ReadyBroker } from '../config/brokers.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { swapRefusals } from '../config/swap.ts'
import { type DeclaredTopic, declaredTopics, refusals, requirementsOf } from '../config/topics.ts'
import type { Capabilities } from '../core/broker.ts'
import { unmet } from '../core/capabilities.ts'
import { systemClock } from '../core/clock.ts'
import { toGatewayError } from '../core/errors.ts'
import { checkEndpoint } from '../http/endpoint.ts'
import { nodeAdapters } from '../runtime/adapters.ts'
import { declaredBridges, faultsOf } from '../runtime/bridges.ts'
import { type DeclaredSubscription, declaredSubscriptions, subscriptionFaults } from '../runtime/declared.ts'
import { isLoopback } from '../runtime/loopback.ts'
import { peekStore, storeName } from '../runtime/store.ts'
import type { Peeked } from '../store/sql/peek.ts'
import type { Client } from './client.ts'

export interface Finding {
  readonly check: 'configuration' | 'listen' | 'store' | 'broker' | 'topic' | 'subscription' | 'bridge'
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

/** What a broker can do, found out by opening it, or told by the gateway that holds it. */
type Seen = { readonly opened: OpenedBroker } | { readonly running: Capabilities }

/** Everything that a start would meet, without its effects. Throws ConfigError where an adapter refuses its keys. */
export async function* findings(loaded: LoadedConfig, client: Client): AsyncGenerator<Finding> {
  const ready = await prepareBrokers(loaded, nodeAdapters)
  const declared = declaredSubscriptions(loaded)
  const bridges = declaredBridges(loaded)
  yield { check: 'configuration', name: loaded.source.file, ok: true, detail: 'every field is valid' }
  const { store, peeked } = await checkStore(loaded)
  yield checkListen(loaded, peeked.keys)
  yield store
  const brokers = new Map<string, Seen>()
  const release: (() => Promise<unknown>)[] = []
  try {
    for (const entry of ready) yield await checkBroker(entry, client, brokers, release)
    yield* checkTopics(loaded, brokers, peeked)
    for (const one of declared) yield await checkSubscription(loaded, one, brokers)
    for (const one of bridges) yield checkBridge(loaded, one, brokers)
  } finally {
    for (const done of release.reverse()) await done().catch(() => {})
  }
}

function checkListen({ config }: LoadedConfig, storedKeys: number): Finding {
  const { host } = config.listen
  const ok = isLoopback(host) || config.keys.length + storedKeys > 0
  const detail = ok ? 'may be served' : 'without keys only this machine is served; sluice keys create makes one'
  return { check: 'listen', name: host, ok, detail }
}

async function checkStore(loaded: LoadedConfig) {
  const name = await storeName(loaded)
  try {
    const found = await peekStore(loaded)
    const detail = found === undefined ? 'will be made at the first start' : `${found.bindings.length} topics are bound`
    return { store: { check: 'store', name, ok: true, detail } satisfies Finding, peeked: found ?? nothing }
  } catch (thrown) {
    const detail = toGatewayError(thrown).message
    return { store: { check: 'store', name, ok: false, detail } satisfies Finding, peeked: nothing }
  }
}

const nothing: Peeked = { bindings: [], drains: [], subscribers: [], keys: 0 }

async function checkBroker(
  entry: ReadyBroker,
  client: Client,
  seen: Map<string, Seen>,
  release: (() => Promise<unknown>)[],
): Promise<Finding> {
  const { name, adapter } = entry
  const finding = { check: 'broker', name } as const
  try {
    const rehearsal = await adapter.rehearse?.(entry.config)
    if (rehearsal !== undefined) release.push(rehearsal.done)
    const [opened] = await openBrokers(
      [rehearsal === undefined ? entry : { ...entry, config: rehearsal.config }],
      systemClock,
    )
    release.push(opened!.broker.close.bind(opened!.broker))
    await opened!.broker.health()
    seen.set(name, { opened: opened! })
    return { ...finding, ok: true, detail: rehearsal === undefined ? 'it answers' : 'will be made at the first start' }
  } catch (thrown) {
    const error = toGatewayError(thrown)
    const running = await askGateway(client, name)
    if (running === undefined) return { ...finding, ok: false, detail: error.message }
    seen.set(name, { running })
    return { ...finding, ok: true, detail: `the gateway at ${client.base} holds it` }
  }
}

/** The capabilities of a broker that a running gateway has open; undefined where there is none. */
async function askGateway(client: Client, name: string): Promise<Capabilities | undefined> {
  try {
    const response = await client.request('/v1/brokers', { signal: AbortSignal.timeout(5000) })
    const { items } = (await response.json()) as {
      items: { name: string; capabilities?: Record<string, { value: unknown }> }[]
    }
    const told = items.find((item) => item.name === name)?.capabilities
    if (told === undefined) return undefined
    return Object.fromEntries(Object.entries(told).map(([key, { value }]) => [key, value])) as unknown as Capabilities
  } catch {
    return undefined
  }
}

async function* checkTopics(
  loaded: LoadedConfig,
  brokers: ReadonlyMap<string, Seen>,
  peeked: Peeked,
): AsyncGenerator<Finding> {
  const isConfigured = (name: string): boolean => loaded.config.brokers[name] !== undefined
  const places = Object.entries(loaded.config.topics).map(([name, topic]) => {
    const { abandon = false, drainFrom } = topic
    const place = { name, brokerName: topic.broker, brokerTopic: topic.name ?? name, abandon }
    const bound = { ...place, ...(drainFrom !== undefined && { drainFrom }) }
    return { topic, bound, rebinding: bind(bound, rememberedOf(name, peeked), isConfigured, systemClock.now()) }
  })
  const drained = places.flatMap(({ rebinding }) => (typeof rebinding === 'string' ? [] : (rebinding.drain ?? [])))
  for (const { topic, bound, rebinding } of places) {
    const { name } = bound
    const seen = brokers.get(topic.broker)
    if (seen === undefined) {
      yield { check: 'topic', name, ok: false, detail: `its broker ${topic.broker} could not be checked` }
      continue
    }
    const faults = typeof rebinding === 'string' ? [rebinding] : takenPlaces(bound, drained)
    if ('opened' in seen) {
      const declared = declaredTopics({ [name]: topic }, new Map([[topic.broker, seen.opened]]))
      faults.push(...(await refusals(declared)))
      if (typeof rebinding !== 'string') faults.push(...(await checkSwap(declared[0]!, rebinding, brokers, peeked)))
    } else {
      for (const { capability, asked, has } of unmet(requirementsOf(topic), seen.running)) {
        faults.push(`requires capability ${capability}: ${asked}, and broker ${topic.broker} has ${has}.`)
      }
    }
    const fits = typeof rebinding === 'string' ? '' : outcomeOf(topic.broker, rebinding)
    yield { check: 'topic', name, ok: faults.length === 0, detail: faults.join(' ') || fits }
  }
}

function rememberedOf(name: string, { bindings, drains }: Peeked): Remembered {
  const binding = bindings.find(({ topic }) => topic === name)
  const drain = drains.find(({ topic }) => topic === name)
  return { ...(binding && { binding }), ...(drain && { drain }) }
}

/** A broker that a running gateway holds cannot be asked for its groups. */
async function checkSwap(
  topic: DeclaredTopic,
  { moved, drain }: Rebinding,
  brokers: ReadonlyMap<string, Seen>,
  { subscribers }: Peeked,
): Promise<string[]> {
  if (moved === undefined) return []
  const seen = drain && brokers.get(moved.broker)
  const from =
    seen === undefined || !('opened' in seen)
      ? undefined
      : { brokerName: moved.broker, brokerTopic: moved.name, broker: seen.opened.broker }
  return swapRefusals(
    topic.name,
    from,
    topic,
    subscribers.filter((one) => one.topic === topic.name),
  )
}

function outcomeOf(broker: string, { moved, drain, abandoned }: Rebinding): string {
  if (moved !== undefined) {
    const old = drain === undefined ? 'is left behind' : 'is consumed first'
    return `fits broker ${broker}, and moves there: what broker ${moved.broker} has of it ${old}`
  }
  if (abandoned !== undefined) return `fits broker ${broker}; what broker ${abandoned.broker} still has is left behind`
  return drain === undefined ? `fits broker ${broker}` : `fits broker ${broker}, and is drained from ${drain.broker}`
}

async function checkSubscription(
  { config }: LoadedConfig,
  declared: DeclaredSubscription,
  brokers: ReadonlyMap<string, Seen>,
): Promise<Finding> {
  const { name, definition } = declared
  const finding = { check: 'subscription', name } as const
  const brokerName = config.topics[definition.topic]?.broker
  const seen = brokerName === undefined ? undefined : brokers.get(brokerName)
  if (brokerName !== undefined && seen === undefined) {
    return { ...finding, ok: false, detail: `the broker ${brokerName} of its topic could not be checked` }
  }
  const faults = subscriptionFaults([declared], () => {
    if (brokerName === undefined || seen === undefined) return undefined
    return { brokerName, capabilities: capabilitiesOf(seen) }
  })
  const refusal = await endpointRefusal(config, declared)
  if (refusal !== undefined) faults.push(refusal)
  return { ...finding, ok: faults.length === 0, detail: faults.join(' ') || `fits topic ${definition.topic}` }
}

function checkBridge(loaded: LoadedConfig, bridge: DeclaredBridge, brokers: ReadonlyMap<string, Seen>): Finding {
  const { name, from, to } = bridge
  const finding = { check: 'bridge', name } as const
  const missing = [from, to].map((topic) => loaded.config.topics[topic]!.broker).find((one) => !brokers.has(one))
  if (missing !== undefined) {
    return { ...finding, ok: false, detail: `the broker ${missing} of its topics could not be checked` }
  }
  const faults = faultsOf(bridge, loaded, (broker) => capabilitiesOf(brokers.get(broker)!))
  return { ...finding, ok: faults.length === 0, detail: faults.join(' ') || `fits topics ${from} and ${to}` }
}

function capabilitiesOf(seen: Seen): Capabilities {
  return 'opened' in seen ? seen.opened.broker.capabilities : seen.running
}

/** Why `serve` would not call the endpoint, if it would not. */
async function endpointRefusal(config: Config, { definition }: DeclaredSubscription): Promise<string | undefined> {
  const { createSender } = await import('../webhook/sender.ts')
  const { allowPrivate } = config.outbound
  const options = { clock: systemClock, allowPrivate, allowLoopback: false, maxConnectionsPerHost: 1, userAgent: '' }
  const sender = createSender(options)
  try {
    await checkEndpoint(sender, definition)
    return undefined
  } catch (thrown) {
    const { errors = [], message } = toGatewayError(thrown)
    return errors.map(({ pointer, detail }) => `${pointer.slice(1)}: ${detail}`).join(' ') || message
  } finally {
    await sender.close()
  }
}
