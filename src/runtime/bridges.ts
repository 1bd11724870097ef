import { bridgeFaults } from '../bridges/faults.ts'
import type { BridgePlan, DeclaredBridge } from '../bridges/plan.ts'
import type { LoadedConfig } from '../config/load.ts'
import { ConfigError, type Problem } from '../config/problems.ts'
import { requirementsOf } from '../config/topics.ts'
import type { Capabilities } from '../core/broker.ts'
import { GatewayError } from '../core/errors.ts'
import { filtersForm } from '../http/filter-form.ts'
import type { TopicRegistry } from '../http/gateway.ts'

/** The bridges of the configuration. Throws ConfigError that lists what is wrong with their filters. */
export function declaredBridges({ config, check, source }: LoadedConfig): DeclaredBridge[] {
  const problems: Problem[] = []
  const found = config.bridges.map((bridge, index): DeclaredBridge => {
    const { data = [], problems: wrong } = check(filtersForm, bridge.filters, ['bridges', index, 'filters'])
    problems.push(...wrong)
    return { ...bridge, filters: data }
  })
  if (problems.length > 0) throw new ConfigError(source.file, problems)
  return found
}

/** What the brokers of a bridge's topics cannot give; `find` knows the capabilities of a broker by its name. */
export function faultsOf(
  bridge: DeclaredBridge,
  { config }: LoadedConfig,
  find: (broker: string) => Capabilities,
): string[] {
  const [source, target] = [bridge.from, bridge.to].map((name) => {
    const topic = config.topics[name]!
    return { brokerName: topic.broker, capabilities: find(topic.broker), requires: requirementsOf(topic) }
  })
  return bridgeFaults(bridge, source!, target!)
}

/** The bridges between opened topics. Throws `misconfigured` with everything that their brokers cannot give. */
export function plansOf(
  bridges: readonly DeclaredBridge[],
  loaded: LoadedConfig,
  brokers: ReadonlyMap<string, { readonly broker: { readonly capabilities: Capabilities } }>,
  topics: TopicRegistry,
): BridgePlan[] {
  const find = (broker: string) => brokers.get(broker)!.broker.capabilities
  const faults = bridges.flatMap((bridge) => faultsOf(bridge, loaded, find))
  if (faults.length > 0) throw new GatewayError('misconfigured', faults.join('\n'))
  return bridges.map((bridge) => {
    return { ...bridge, from: topics.resolve(bridge.from)!, to: topics.resolve(bridge.to)! }
  })
}
