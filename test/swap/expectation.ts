import type { Capabilities, CapabilityName } from '../../src/core/broker.ts'

export type { Capabilities, CapabilityName }

/** What can be done with a topic, and what its broker can do by itself: without what the gateway adds. */
export interface Able {
  readonly capabilities: Capabilities
  readonly own: Capabilities
}

/** The capability that an opened broker lacks for a step, or undefined where it lacks none. */
export type Need = (able: Able) => CapabilityName | undefined

/** What a step must do at a broker: work, or be refused by the name of one capability. */
export type Expectation = { readonly works: true } | { readonly works: false; readonly capability: CapabilityName }

/** Derived from what the broker says that it can do, and from nothing else. The first need that is not met decides. */
export function expectation(able: Able, needs: readonly Need[]): Expectation {
  for (const need of needs) {
    const capability = need(able)
    if (capability !== undefined) return { works: false, capability }
  }
  return { works: true }
}

const having =
  (name: CapabilityName, holds: (able: Able) => boolean): Need =>
  (able) =>
    holds(able) ? undefined : name

export const replay = having('replay', ({ own }) => own.replay)
export const delayOf = (ms: number) => having('publishDelayMs', ({ own }) => own.publishDelayMs >= ms)
export const atomicOf = (events: number) => having('atomicPublishMax', ({ own }) => own.atomicPublishMax >= events)
/** Over HTTP whoever settles comes on a connection of its own. */
export const pull = having('receipt', ({ capabilities }) => capabilities.receipt === 'portable')
export const seek = having('seek', ({ capabilities }) => capabilities.seek)
export const reject = having('reject', ({ capabilities }) => capabilities.reject)
export const extend = having('extend', ({ capabilities }) => capabilities.extend)
export const nackDelayOf = (ms: number) => having('nackDelayMs', ({ capabilities }) => capabilities.nackDelayMs >= ms)
/** A group beside another one, or beside the gateway's own for webhooks. */
export const anotherGroup = having('groups', ({ capabilities }) => capabilities.groups === 'many')
/** Webhooks in the order of their keys: the leases that the gateway adds for who pulls do not give that. */
export const keysInOrder = having('exclusiveKeys', ({ own }) => own.exclusiveKeys)

/**
 * Of each capability: what of the API its lack refuses, and how much of it. What is only declared refuses nothing but a
 * topic that requires it, or asks to be made with it.
 */
export const refusedWithout: Readonly<Record<CapabilityName, Need | 'declared'>> = {
  replay,
  publishDelayMs: delayOf(1),
  atomicPublishMax: atomicOf(1),
  receipt: pull,
  seek,
  reject,
  extend,
  nackDelayMs: nackDelayOf(1),
  groups: anotherGroup,
  exclusiveKeys: keysInOrder,
  settlement: 'declared',
  fencing: 'declared',
  attempts: 'declared',
  ordering: 'declared',
  dedupWindowMs: 'declared',
  lag: 'declared',
  durability: 'declared',
  // What is too large for these is `too_large`, or goes in parts.
  publish: 'declared',
  maxEventBytes: 'declared',
}

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
