import type { Binding, Drain } from '../core/binding.ts'

export interface Bound {
  readonly name: string
  readonly brokerName: string
  readonly brokerTopic: string
  readonly abandon: boolean
  /** The broker that the topic was bound to before, where that is to be drained. */
  readonly drainFrom?: string
}

/** What is remembered of a topic. */
export interface Remembered {
  readonly binding?: Binding
  readonly drain?: Drain
}

/** What becomes of a topic's binding. */
export interface Rebinding {
  readonly binding: Binding
  /** It is remembered as it is. */
  readonly isKnown?: true
  /** What is drained from now on, or still is. */
  readonly drain?: Drain
  /** What is still drained, and is to be abandoned. */
  readonly abandoned?: Drain
  /** Where the topic was before, if it is bound elsewhere now. */
  readonly moved?: Binding
}

/** What a topic is bound to now, and what it is drained from. A string says why that may not be. */
export function bind(
  topic: Bound,
  { binding: known, drain }: Remembered,
  isConfigured: (broker: string) => boolean,
  now: number,
): Rebinding | string {
  const { name, brokerName, brokerTopic, abandon, drainFrom } = topic
  const binding = { topic: name, broker: brokerName, name: brokerTopic }
  if (known === undefined) return { binding: { ...binding, epoch: 1 } }
  if (known.broker === brokerName && known.name === brokerTopic) {
    const same = { binding: known, isKnown: true } as const
    if (drain === undefined) return same
    if (abandon) return { ...same, abandoned: drain }
    if (!isConfigured(drain.broker)) return unconfigured(name, drain.broker)
    return { ...same, drain }
  }
  const next = { ...binding, epoch: known.epoch + 1 }
  if (abandon) return { binding: next, moved: known, ...(drain !== undefined && { abandoned: drain }) }
  const old = known.broker === brokerName ? `there as ${known.name}` : `to broker ${known.broker}`
  const here = known.broker === brokerName ? `to ${brokerTopic} at broker ${brokerName}` : `to broker ${brokerName}`
  const who = `Topic ${name} was bound ${old} before, and is bound ${here} now`
  if (drain !== undefined) {
    return `${who}, while it is still drained from broker ${drain.broker}. Bind it as it was until that is empty, \
or say abandon: true under topics.${name} to leave behind what is in both.`
  }
  if (drainFrom === undefined) {
    return `${who}: events would be stranded. Bind it as it was, or say drainFrom: ${known.broker} under topics.${name} \
to have them consumed first, or abandon: true to leave them behind.`
  }
  if (drainFrom !== known.broker) {
    return `${who}: drainFrom under topics.${name} must be ${known.broker}, and it is ${drainFrom}.`
  }
  if (!isConfigured(known.broker)) return unconfigured(name, known.broker)
  return { binding: next, moved: known, drain: { ...known, since: now } }
}

/** Why a topic cannot be where it is declared: its groups would be given what others are still drained of there. */
export function takenPlaces({ name, brokerName, brokerTopic }: Bound, drains: readonly Drain[]): string[] {
  return drains
    .filter((drain) => drain.topic !== name && drain.broker === brokerName && drain.name === brokerTopic)
    .map(
      ({ topic }) =>
        `Topic ${name} on broker ${brokerName}: topic ${topic} is still drained from ${brokerTopic} there. Give ${name} another \
name under topics.${name}, or wait until that is empty.`,
    )
}

function unconfigured(topic: string, broker: string): string {
  return `Topic ${topic} is drained from broker ${broker}, which is not under brokers: put it back until that is empty, \
or say abandon: true under topics.${topic} to leave behind what it has.`
}
