import { GatewayError } from '../core/errors.ts'
import type { Gateway } from './gateway.ts'

/**
 * The error as it is told. What is refused as `unsupported` names the topic, its broker and the capability, as the refusals
 * at boot do: whoever throws it knows only what lacks.
 */
export function named(
  { topics, brokers }: Pick<Gateway, 'topics' | 'brokers'>,
  topic: string | undefined,
  error: GatewayError,
): GatewayError {
  const place = error.code === 'unsupported' && topic !== undefined ? topics.resolve(topic) : undefined
  if (place === undefined) return error
  const { capability, broker = place.brokerName } = error
  const who = `Topic ${place.name} on broker ${broker} (${brokers.get(broker)!.type})`
  if (capability === undefined) return new GatewayError(error.code, `${who}: ${error.message}`)
  return new GatewayError(error.code, `${who}, capability ${capability}: ${error.message}`, { capability })
}
