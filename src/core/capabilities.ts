import type { Broker, Capabilities, CapabilityName, Outcome } from './broker.ts'
import { formatDuration } from './duration.ts'
import { UnsupportedError } from './errors.ts'

/**
 * The gate in front of a broker: each function passes where the opened broker has the capability, and throws
 * UnsupportedError, naming it, where it has not. Called before any side effect.
 */
export function requireDelay(capabilities: Capabilities, delayMs: number): void {
  if (capabilities.publishDelayMs === 0)
    throw new UnsupportedError('publishDelayMs', 'This broker has no delayed publish.')
  if (delayMs > capabilities.publishDelayMs) {
    const detail = `This broker delays by ${formatDuration(capabilities.publishDelayMs)} at the most; ${formatDuration(delayMs)} was asked.`
    throw new UnsupportedError('publishDelayMs', detail)
  }
}

export function requireAtomic(capabilities: Capabilities, events: number): void {
  if (capabilities.atomicPublishMax === 0) {
    throw new UnsupportedError('atomicPublishMax', 'This broker cannot publish several events all or none.')
  }
  if (events > capabilities.atomicPublishMax) {
    const detail = `This broker publishes at most ${capabilities.atomicPublishMax} events all or none; ${events} were given.`
    throw new UnsupportedError('atomicPublishMax', detail)
  }
}

export function requireLog(broker: Broker): NonNullable<Broker['log']> {
  if (broker.log === undefined || !broker.capabilities.replay) {
    throw new UnsupportedError('replay', 'This broker keeps no history that could be read.')
  }
  return broker.log
}

export function requireSeek(broker: Pick<Broker, 'capabilities' | 'groups'>): NonNullable<Broker['groups']['seek']> {
  const seek = broker.groups.seek
  if (seek === undefined || !broker.capabilities.seek)
    throw new UnsupportedError('seek', 'This broker cannot move a group.')
  return seek.bind(broker.groups)
}

export function requireDeadLetters(
  broker: Pick<Broker, 'capabilities' | 'deadLetters'>,
): NonNullable<Broker['deadLetters']> {
  if (broker.deadLetters === undefined || !broker.capabilities.reject)
    throw new UnsupportedError('reject', 'This broker keeps no dead letters.')
  return broker.deadLetters
}

/** `broker` is named where it is not the one that the topic is bound to. */
export function requireOutcome({ reject, extend, nackDelayMs }: Capabilities, outcome: Outcome, broker?: string): void {
  if (outcome.kind === 'reject' && !reject)
    throw new UnsupportedError('reject', 'This broker keeps no dead letters.', broker)
  if (outcome.kind === 'extend' && !extend)
    throw new UnsupportedError('extend', 'This broker cannot extend a lease.', broker)
  if (outcome.kind === 'nack' && outcome.delayMs !== undefined && outcome.delayMs > nackDelayMs) {
    const detail = `This broker delays a redelivery by ${formatDuration(nackDelayMs)} at the most.`
    throw new UnsupportedError('nackDelayMs', detail, broker)
  }
}

/** Order by key holds where an event waits for the earlier ones of its key. */
export function requireExclusiveKeys(capabilities: Capabilities): void {
  if (!capabilities.exclusiveKeys)
    throw new UnsupportedError('exclusiveKeys', 'This broker gives no exclusive assignment of keys.')
}

/** Pulling over HTTP settles on any connection and any replica, which a receipt bound to a connection does not allow. */
export function requirePortableReceipt(capabilities: Capabilities): void {
  if (capabilities.receipt !== 'portable') {
    throw new UnsupportedError('receipt', 'This broker binds a receipt to the connection that pulled it.')
  }
}

/** `others` are the groups of a topic beside which one more is wanted; the gateway's own, for webhooks, is one of them. */
export function requireRoom(capabilities: Capabilities, others: readonly string[]): void {
  if (capabilities.groups === 'many' || others.length === 0) return
  const detail =
    'This broker gives a topic one group, for its webhooks or for who pulls, and this topic has it already.'
  throw new UnsupportedError('groups', detail)
}

/** What a topic may ask for in the configuration (`requires`), each with the weakest to the strongest value. */
const strength = {
  ordering: ['none', 'key', 'topic'],
  durability: ['memory', 'process', 'machine', 'replicated'],
  lag: ['none', 'approximate', 'exact'],
  fencing: ['none', 'deadline', 'broker'],
  receipt: ['session', 'portable'],
  settlement: ['cumulative', 'individual'],
  groups: ['one', 'many'],
} as const satisfies Partial<Record<CapabilityName, readonly string[]>>

export type Requirements = Readonly<Partial<Record<CapabilityName, string | number | boolean>>>

export interface UnmetRequirement {
  readonly capability: string
  readonly asked: string | number | boolean
  readonly has: string | number | boolean
}

/** The requirements that an opened broker does not meet. A stronger value than asked for meets it. */
export function unmet(requires: Requirements, capabilities: Capabilities): UnmetRequirement[] {
  const found: UnmetRequirement[] = []
  for (const [name, asked] of Object.entries(requires)) {
    const has = capabilities[name as CapabilityName]
    if (typeof has === 'object' || asked === undefined) continue
    if (!meets(name, asked, has)) found.push({ capability: name, asked, has })
  }
  return found
}

function meets(name: string, asked: string | number | boolean, has: string | number | boolean): boolean {
  if (typeof has === 'number') return typeof asked === 'number' ? has >= asked : asked === has > 0
  if (typeof has === 'boolean') return has || asked === false
  const order: readonly string[] | undefined = strength[name as keyof typeof strength]
  return order === undefined ? has === asked : order.indexOf(has) >= order.indexOf(String(asked))
}
