import type { Binding } from '../core/binding.ts'

export interface Bound {
  readonly name: string
  readonly brokerName: string
  readonly brokerTopic: string
  readonly abandon: boolean
}

/** The binding that a topic has now: the one that is known, or a new one. A string says why there may be none. */
export function bind(topic: Bound, known: Binding | undefined): Binding | string {
  const { name, brokerName, brokerTopic } = topic
  const binding = { topic: name, broker: brokerName, name: brokerTopic }
  if (known === undefined) return { ...binding, epoch: 1 }
  if (known.broker === brokerName && known.name === brokerTopic) return known
  if (topic.abandon) return { ...binding, epoch: known.epoch + 1 }
  const old = known.broker === brokerName ? `there as ${known.name}` : `to broker ${known.broker}`
  const now = known.broker === brokerName ? `to ${brokerTopic} at broker ${brokerName}` : `to broker ${brokerName}`
  return `Topic ${name} was bound ${old} before, and is bound ${now} now: events would be stranded. \
Bind it as it was, or say abandon: true under topics.${name} to leave them behind.`
}
