import type { Binding, Bindings } from '../core/binding.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { Limits } from '../core/limits.ts'
import type { PublisherHooks } from '../core/topic.ts'
import type { AdapterRegistry } from './adapters.ts'
import { bind } from './bindings.ts'
import { type OpenedBroker, openBrokers, prepareBrokers } from './brokers.ts'
import type { LoadedConfig } from './load.ts'
import { type LeaseHolder, type TopicPlace, TopicTable } from './registry.ts'
import { type DeclaredTopic, declaredTopics, ensureTopic, refusals } from './topics.ts'

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
  const known = new Map((await bindings.list()).map((binding) => [binding.topic, binding]))
  const bound = declared.map((topic) => ({ topic, binding: bind(topic, known.get(topic.name)) }))
  const faults = await refusals(declared)
  for (const { binding } of bound) if (typeof binding === 'string') faults.push(binding)
  if (faults.length > 0) throw new GatewayError('misconfigured', faults.join('\n'))

  const creator = context.createOn === undefined ? undefined : brokers.get(context.createOn)
  const maker = creator && ((name: string) => makeTopic(name, creator, context, bindings, known))
  const table = new TopicTable(context.limits, context.clock, context.hooks, maker, context.hold)
  for (const { topic, binding } of bound) {
    await ensureTopic(topic)
    if (typeof binding === 'string') continue
    if (binding !== known.get(topic.name)) await bindings.put(binding)
    await table.add(placeOf(topic, binding))
  }
  if (creator !== undefined) await addExisting(table, creator, declared, known)
  else if (context.systemTopic !== undefined)
    await addSystemTopic(table, context.systemTopic, context, brokers, bindings, known)
  return table
}

function placeOf({ name, brokerName, brokerTopic, broker }: DeclaredTopic, { epoch }: Binding): TopicPlace {
  return { name, brokerName, brokerTopic, broker, epoch }
}

/** Where topics come into being on first use, those of earlier runs are there too. */
async function addExisting(
  table: TopicTable,
  { name: brokerName, broker }: OpenedBroker,
  declared: readonly DeclaredTopic[],
  known: ReadonlyMap<string, Binding>,
): Promise<void> {
  const taken = new Set(declared.flatMap(({ name, brokerTopic }) => [name, brokerTopic]))
  for (const name of (await broker.admin?.list()) ?? []) {
    if (taken.has(name)) continue
    await table.add({ name, brokerName, brokerTopic: name, broker, epoch: known.get(name)?.epoch ?? 1 })
  }
}

async function addSystemTopic(
  table: TopicTable,
  name: string,
  context: OpenContext,
  brokers: ReadonlyMap<string, OpenedBroker>,
  bindings: Bindings,
  known: ReadonlyMap<string, Binding>,
): Promise<void> {
  const home = [...brokers.values()].find(({ adapter }) => adapter.declaringCreates)
  if (home === undefined || table.resolve(name) !== undefined) return
  // What it held where it was before is history, and nobody's to drain.
  await table.add({ ...(await makeTopic(name, home, context, bindings, known, true)), isSystem: true })
}

async function makeTopic(
  name: string,
  { name: brokerName, broker }: OpenedBroker,
  context: OpenContext,
  bindings: Bindings,
  known: ReadonlyMap<string, Binding>,
  abandon = false,
): Promise<TopicPlace> {
  const binding = bind({ name, brokerName, brokerTopic: name, abandon }, known.get(name))
  if (typeof binding === 'string') throw new GatewayError('conflict', binding)
  await broker.admin?.ensure(name, {})
  await bindings.put(binding)
  if (name !== context.systemTopic) context.onCreate(name, brokerName)
  return { name, brokerName, brokerTopic: name, broker, epoch: binding.epoch }
}
