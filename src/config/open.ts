import type { Binding, Bindings, Drain } from '../core/binding.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { Limits } from '../core/limits.ts'
import type { Logger } from '../core/logger.ts'
import type { PublisherHooks } from '../core/topic.ts'
import type { AdapterRegistry } from './adapters.ts'
import { bind, type Rebinding, type Remembered, takenPlaces } from './bindings.ts'
import { type OpenedBroker, openBrokers, prepareBrokers } from './brokers.ts'
import type { LoadedConfig } from './load.ts'
import { type LeaseHolder, type OldPlace, type TopicPlace, TopicTable } from './registry.ts'
import type { Config } from './schema.ts'
import { carryGroups, endOfLog, noticeMs, type Subscriber, swapRefusals } from './swap.ts'
import { type DeclaredTopic, declaredTopics, ensureTopic, refusals, requireOrder, topicsBehind } from './topics.ts'

export interface OpenContext {
  readonly registry: AdapterRegistry
  /** Asked for once the configuration is known to be valid. */
  readonly bindings: () => Promise<Bindings>
  readonly clock: Clock
  readonly limits: Limits
  readonly hooks: PublisherHooks
  /** The broker on which topics come into being on first use; undefined where they are only declared. */
  readonly createOn: string | undefined
  readonly onCreate: (topic: string, broker: string) => void
  /** Those of a topic that is bound elsewhere. Asked for once bindings were. */
  readonly subscribers?: (topic: string) => Promise<readonly Subscriber[]>
  readonly log?: Logger
  /**
   * A topic that the gateway needs itself. Where it is not declared, and topics do not come into being on first use, it is
   * made on the first broker whose topics are made by declaring them; where there is none, there is no such topic.
   */
  readonly systemTopic?: string
  /** Absent where the gateway adds nothing to a broker. Asked for once bindings were. */
  readonly hold?: LeaseHolder
}

export interface OpenedConfig {
  readonly brokers: ReadonlyMap<string, OpenedBroker>
  readonly topics: TopicTable
  /** Closes every broker. */
  close(): Promise<void>
}

/**
 * Opens the brokers, checks what the topics need of them and where they were bound before, and only then makes topics.
 * Throws `misconfigured` that names every topic, broker and capability at fault; everything is closed again then.
 */
export async function openConfig(loaded: LoadedConfig, context: OpenContext): Promise<OpenedConfig> {
  const ready = await prepareBrokers(loaded, context.registry)
  const [opened, bindings] = await bothOrNone(openBrokers(ready, context.clock), context.bindings())
  const brokers = new Map(opened.map((entry) => [entry.name, entry]))
  const close = async (): Promise<void> => {
    await Promise.allSettled(opened.map(({ broker }) => broker.close()))
  }
  try {
    return { brokers, topics: await openTopics(loaded, context, brokers, bindings), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function bothOrNone(opening: Promise<OpenedBroker[]>, binding: Promise<Bindings>) {
  const [brokers, bindings] = await Promise.allSettled([opening, binding])
  if (brokers.status === 'fulfilled' && bindings.status === 'fulfilled') return [brokers.value, bindings.value] as const
  if (brokers.status === 'fulfilled') await Promise.allSettled(brokers.value.map(({ broker }) => broker.close()))
  throw brokers.status === 'rejected' ? brokers.reason : (bindings as PromiseRejectedResult).reason
}

async function openTopics(
  loaded: LoadedConfig,
  context: OpenContext,
  brokers: ReadonlyMap<string, OpenedBroker>,
  bindings: Bindings,
): Promise<TopicTable> {
  const declared = declaredTopics(loaded.config.topics, brokers)
  const [known, drains] = await Promise.all([bindings.list(), bindings.drains()])
  const memory: Memory = (name) => {
    const binding = known.find(({ topic }) => topic === name)
    const drain = drains.find(({ topic }) => topic === name)
    return { ...(binding && { binding }), ...(drain && { drain }) }
  }
  const faults = await refusals(declared)
  const rebound: Rebound[] = []
  for (const topic of declared) {
    const rebinding = bind(topic, memory(topic.name), (name) => brokers.has(name), context.clock.now())
    if (typeof rebinding === 'string') faults.push(rebinding)
    else rebound.push({ topic, rebinding })
  }
  const drained = rebound.flatMap(({ rebinding: { drain } }) => drain ?? [])
  for (const one of rebound) {
    faults.push(...takenPlaces(one.topic, drained), ...(await refusalsOfSwap(one, context, brokers)))
  }
  if (faults.length > 0) throw new GatewayError('misconfigured', faults.join('\n'))

  const creator = context.createOn === undefined ? undefined : brokers.get(context.createOn)
  const maker = creator && ((name: string) => makeTopic(name, creator, context, bindings, memory))
  const table = new TopicTable(context.limits, context.clock, context.hooks, maker, context.hold)
  for (const one of rebound) await openTopic(one, loaded.config, table, context, brokers, bindings)
  // Replicas with the old configuration may make a group until they notice, whoever has swapped: one that crashed since, too.
  const waitMs = Math.max(0, ...rebound.map(({ rebinding }) => unnoticedMs(rebinding, context.clock.now())))
  if (waitMs > 0) {
    await new Promise((resolve) => setTimeout(resolve, waitMs))
    for (const { topic } of rebound) await carryAll(table, topic.name)
  }
  if (creator !== undefined) await addExisting(table, creator, declared, memory)
  else if (context.systemTopic !== undefined)
    await addSystemTopic(table, context.systemTopic, context, brokers, bindings, memory)
  return table
}

type Memory = (topic: string) => Remembered

interface Rebound {
  readonly topic: DeclaredTopic
  readonly rebinding: Rebinding
}

async function refusalsOfSwap(
  { topic, rebinding: { moved, drain } }: Rebound,
  { subscribers }: OpenContext,
  brokers: ReadonlyMap<string, OpenedBroker>,
): Promise<string[]> {
  if (moved === undefined) return []
  const { broker: brokerName, name: brokerTopic } = moved
  const from = drain && { brokerName, brokerTopic, broker: brokers.get(brokerName)!.broker }
  return swapRefusals(topic.name, from, topic, (await subscribers?.(topic.name)) ?? [])
}

/** How long replicas may not have noticed yet that a topic is bound elsewhere. Clocks of others may be ahead. */
function unnoticedMs({ moved, drain }: Rebinding, now: number): number {
  if (drain === undefined) return 0
  return moved === undefined ? Math.min(noticeMs, drain.since + noticeMs - now) : noticeMs
}

/** Makes the topic what it is declared to be. What is remembered comes last, so that a start that fails is repeated. */
async function openTopic(
  { topic, rebinding: { binding, isKnown, drain, abandoned, moved } }: Rebound,
  config: Config,
  table: TopicTable,
  { log, clock }: OpenContext,
  brokers: ReadonlyMap<string, OpenedBroker>,
  bindings: Bindings,
): Promise<void> {
  await ensureTopic(topic)
  const start = moved === undefined ? binding.start : await endOfLog(topic)
  const bound = start === undefined ? binding : { ...binding, start }
  const old = drain && oldPlace(topic, drain, brokers.get(drain.broker)!)
  await table.add(placeOf(topic, bound, config), old)
  if (old !== undefined) await carryAll(table, topic.name)
  const { name: topicName, brokerName } = topic
  if (abandoned !== undefined) {
    await bindings.forgetDrain(abandoned)
    log?.('warn', 'What a topic was drained from is abandoned.', { topic: topicName, broker: abandoned.broker })
  }
  if (isKnown !== true) await bindings.put(bound, drain && { ...drain, since: clock.now() })
  if (moved === undefined) return
  const fields = { topic: topicName, from: moved.broker, to: brokerName, epoch: bound.epoch }
  if (drain === undefined)
    log?.('warn', 'A topic is bound to another broker; what the old one has is abandoned.', fields)
  else log?.('info', 'A topic is bound to another broker; what the old one has is consumed first.', fields)
}

async function carryAll(table: TopicTable, name: string): Promise<void> {
  const topic = table.resolve(name)
  if (topic?.draining !== undefined) await carryGroups(topic, topic.draining)
}

function placeOf(
  { name, brokerName, brokerTopic, broker }: DeclaredTopic,
  binding: Binding,
  config: Config,
): TopicPlace {
  const { epoch, start } = binding
  const behind = topicsBehind(name, config)
  return {
    name,
    brokerName,
    brokerTopic,
    broker,
    epoch,
    ...(start !== undefined && { start }),
    ...(requireOrder([name, ...behind], config) && { isOrdered: true }),
    ...(behind.length > 0 && { behind }),
  }
}

function oldPlace({ name, drainDeadlineMs }: DeclaredTopic, drain: Drain, { broker }: OpenedBroker): OldPlace {
  const { broker: brokerName, name: brokerTopic, epoch, since } = drain
  return { name, brokerName, brokerTopic, broker, epoch, since, deadline: since + drainDeadlineMs }
}

/** Where topics come into being on first use, those of earlier runs are there too. */
async function addExisting(
  table: TopicTable,
  { name: brokerName, broker }: OpenedBroker,
  declared: readonly DeclaredTopic[],
  memory: Memory,
): Promise<void> {
  const taken = new Set(declared.flatMap(({ name, brokerTopic }) => [name, brokerTopic]))
  for (const name of (await broker.admin?.list()) ?? []) {
    if (taken.has(name)) continue
    await table.add({ name, brokerName, brokerTopic: name, broker, epoch: memory(name).binding?.epoch ?? 1 })
  }
}

async function addSystemTopic(
  table: TopicTable,
  name: string,
  context: OpenContext,
  brokers: ReadonlyMap<string, OpenedBroker>,
  bindings: Bindings,
  memory: Memory,
): Promise<void> {
  const home = [...brokers.values()].find(({ adapter }) => adapter.declaringCreates)
  if (home === undefined || table.resolve(name) !== undefined) return
  // What it held where it was before is history, and nobody's to drain.
  await table.add({ ...(await makeTopic(name, home, context, bindings, memory, true)), isSystem: true })
}

async function makeTopic(
  name: string,
  { name: brokerName, broker }: OpenedBroker,
  context: OpenContext,
  bindings: Bindings,
  memory: Memory,
  abandon = false,
): Promise<TopicPlace> {
  const bound = { name, brokerName, brokerTopic: name, abandon }
  const rebinding = bind(bound, memory(name), () => false, context.clock.now())
  if (typeof rebinding === 'string') throw new GatewayError('conflict', rebinding)
  const { binding } = rebinding
  await broker.admin?.ensure(name, {})
  await bindings.put(binding)
  if (name !== context.systemTopic) context.onCreate(name, brokerName)
  return { name, brokerName, brokerTopic: name, broker, epoch: binding.epoch }
}
