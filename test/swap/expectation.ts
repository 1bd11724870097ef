import type { Capabilities, CapabilityName } from '../../src/core/broker.ts'

export type { Capabilities, CapabilityName }

/** The capability that an opened broker lacks for a step, or undefined where it lacks none. */
export type Need = (capabilities: Capabilities) => CapabilityName | undefined

/** What a step must do at a broker: work, or be refused by the name of one capability. */
export type Expectation = { readonly works: true } | { readonly works: false; readonly capability: CapabilityName }

/** Derived from what the broker says that it can do, and from nothing else. The first need that is not met decides. */
export function expectation(capabilities: Capabilities, needs: readonly Need[]): Expectation {
  for (const need of needs) {
    const capability = need(capabilities)
    if (capability !== undefined) return { works: false, capability }
  }
  return { works: true }
}

export const replay: Need = (has) => (has.replay ? undefined : 'replay')
export const delayOf =
  (ms: number): Need =>
  (has) =>
    has.publishDelayMs >= ms ? undefined : 'publishDelayMs'
export const atomicOf =
  (events: number): Need =>
  (has) =>
    has.atomicPublishMax >= events ? undefined : 'atomicPublishMax'
/** Over HTTP whoever settles comes on a connection of its own. */
export const pull: Need = (has) => (has.receipt === 'portable' ? undefined : 'receipt')
export const seek: Need = (has) => (has.seek ? undefined : 'seek')
export const reject: Need = (has) => (has.reject ? undefined : 'reject')
export const extend: Need = (has) => (has.extend ? undefined : 'extend')
export const nackDelayOf =
  (ms: number): Need =>
  (has) =>
    has.nackDelayMs >= ms ? undefined : 'nackDelayMs'

type Value = string | number | boolean

/** From the weakest to the strongest, as a topic may ask for them (`requires`). */
const orders: Readonly<Partial<Record<CapabilityName, readonly string[]>>> = {
  ordering: ['none', 'key', 'topic'],
  durability: ['memory', 'process', 'machine', 'replicated'],
  lag: ['none', 'approximate', 'exact'],
  fencing: ['none', 'deadline', 'broker'],
  receipt: ['session', 'portable'],
  settlement: ['cumulative', 'individual'],
  groups: ['one', 'many'],
}

/** Everything that a topic can require of a broker, as the broker has it. */
export function requirable(capabilities: Capabilities): Map<CapabilityName, Value> {
  const { publish: _, ...values } = capabilities
  return new Map(Object.entries(values) as [CapabilityName, Value][])
}

/** A value one stronger than the broker's, for every capability where there is one. */
export function strongerThan(capabilities: Capabilities): Map<CapabilityName, Value> {
  const stronger = new Map<CapabilityName, Value>()
  for (const [name, has] of requirable(capabilities)) {
    const more = strongerValue(name, has)
    if (more !== undefined) stronger.set(name, more)
  }
  return stronger
}

function strongerValue(name: CapabilityName, has: Value): Value | undefined {
  if (typeof has === 'number') return has + 1
  if (typeof has === 'boolean') return has ? undefined : true
  const order = orders[name]
  if (order === undefined) throw new Error(`No order of strength is known for ${name}: ${has}`)
  return order[order.indexOf(has) + 1]
}
