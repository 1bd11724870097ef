import { type Event, GatewayError, utf8Length } from '../../src/core/index.ts'
import type { Config } from './config.ts'

const routingKeyMax = 255
const priorityMax = 255

/** The routing key of an event; empty where it has no such attribute. Throws `unprocessable` where it is too long. */
export function routingKeyOf(event: Event, { routingKey, exchange }: Config): string {
  // Neither looks at it.
  if (exchange === 'fanout' || exchange === 'headers') return ''
  const value = String(event.attributes[routingKey] ?? '')
  if (value.length * 3 <= routingKeyMax || utf8Length(value) <= routingKeyMax) return value
  const detail = `Attribute ${routingKey} is the routing key here, and has more than ${routingKeyMax} bytes.`
  throw new GatewayError('unprocessable', detail)
}

/** The attribute `priority` as a message has it. Throws `unprocessable` where it is no priority. */
export function priorityOf(event: Event): number | undefined {
  const { priority } = event.attributes
  if (priority === undefined) return undefined
  const level = Number(priority)
  if (Number.isInteger(level) && level >= 0 && level <= priorityMax) return level
  throw new GatewayError('unprocessable', `Attribute priority must be a whole number from 0 to ${priorityMax}.`)
}

/** The keys by which a new group's queue is bound. */
export function bindingsOf({ bindings, exchange }: Config): readonly string[] {
  return bindings ?? (exchange === 'topic' ? ['#'] : [''])
}
