import type { Capabilities } from '../core/broker.ts'
import { type Requirements, unmet } from '../core/capabilities.ts'
import type { DeclaredBridge } from './plan.ts'

/** An end of a bridge, as far as its faults depend on it. */
export interface BridgeEnd {
  readonly brokerName: string
  readonly capabilities: Capabilities
  /** What the configuration requires of the topic. */
  readonly requires: Requirements
}

/** What the brokers of its topics cannot give, a sentence each that names bridge, topic, broker and capability. */
export function bridgeFaults(
  { name, from, to, start }: DeclaredBridge,
  source: BridgeEnd,
  target: BridgeEnd,
): string[] {
  const faults: string[] = []
  const who = `Bridge ${name} from topic ${from}, broker ${source.brokerName}, to topic ${to}, broker ${target.brokerName}`
  if (start === 'earliest' && !source.capabilities.replay) {
    faults.push(`${who}: start: earliest requires capability replay, and broker ${source.brokerName} does not have it.`)
  }
  for (const [topic, { requires }] of [[from, source] as const, [to, target] as const]) {
    const { ordering } = requires
    if (ordering === undefined || ordering === 'none') continue
    const [lacks] = unmet({ ordering }, target.capabilities)
    if (lacks !== undefined) {
      const has = `broker ${target.brokerName} has ${lacks.has}`
      faults.push(`${who}: topic ${topic} requires capability ordering: ${ordering}, and ${has}.`)
    } else if (!source.capabilities.exclusiveKeys) {
      const lack = `needs capability exclusiveKeys, and broker ${source.brokerName} does not have it`
      faults.push(`${who}: topic ${topic} requires ordering: ${ordering}, which ${lack}.`)
    }
  }
  return [...new Set(faults)]
}
