import type { LoadedConfig } from '../config/load.ts'
import { ConfigError, type Problem } from '../config/problems.ts'
import type { Capabilities } from '../core/broker.ts'
import { type GatewayError, toGatewayError } from '../core/errors.ts'
import { type Definition, definitionOf, subscriptionForm } from '../http/subscription-forms.ts'
import { checkHeaders } from '../webhook/headers.ts'
import { parseSecret } from '../webhook/secret.ts'

/** A subscription of the configuration. */
export interface DeclaredSubscription {
  readonly name: string
  readonly definition: Definition
  readonly secret?: string
  /** The error of the configuration that a refusal of this one is. */
  readonly refuse: (refusal: GatewayError) => ConfigError
}

const declaredForm = subscriptionForm.required({ name: true })

/** The declared subscriptions, each as the API would take it. Throws ConfigError that lists everything wrong with them. */
export function declaredSubscriptions(loaded: LoadedConfig): DeclaredSubscription[] {
  const problems: Problem[] = []
  const found: DeclaredSubscription[] = []
  for (const [index, value] of loaded.config.subscriptions.entries()) {
    const path = ['subscriptions', index]
    const checked = loaded.check(declaredForm, value, path)
    problems.push(...checked.problems)
    if (checked.data === undefined) continue
    const { name, secret } = checked.data
    const definition = definitionOf(checked.data, checked.data.start)
    const refused = (error: GatewayError): Problem[] =>
      (error.errors ?? [{ pointer: '', detail: error.message }]).map(({ pointer, detail }) => {
        const at = [...path, ...pointer.split('/').slice(1)]
        return { path: at, detail, place: loaded.source.place(at) }
      })
    const attempt = (check: () => unknown): void => {
      try {
        check()
      } catch (error) {
        problems.push(...refused(toGatewayError(error)))
      }
    }
    const { headers, auth } = definition
    attempt(() => checkHeaders(headers, '/headers', auth !== undefined && !('mtls' in auth)))
    if (secret !== undefined) attempt(() => parseSecret(secret, '/secret'))
    found.push({
      name,
      definition,
      ...(secret !== undefined && { secret }),
      refuse: (refusal) => new ConfigError(loaded.source.file, refused(refusal)),
    })
  }
  if (problems.length > 0) throw new ConfigError(loaded.source.file, problems)
  return found
}

/** Where a topic is, as far as subscriptions ask. */
export interface TopicPlace {
  readonly brokerName: string
  readonly capabilities: Capabilities
}

/** What the topics and their brokers cannot give, a sentence each that names subscription, topic, broker and capability. */
export function subscriptionFaults(
  declared: readonly DeclaredSubscription[],
  find: (topic: string) => TopicPlace | undefined,
): string[] {
  return declared.flatMap(({ name, definition: { topic, ordering, start } }) => {
    const place = find(topic)
    if (place === undefined) return [`Subscription ${name}: there is no topic ${topic} under topics.`]
    const who = `Subscription ${name} on topic ${topic}, broker ${place.brokerName}`
    const { exclusiveKeys, replay } = place.capabilities
    const faults: string[] = []
    if (ordering === 'key' && !exclusiveKeys) {
      faults.push(`${who}: ordering: key requires capability exclusiveKeys, and the broker does not have it.`)
    }
    if (start !== 'latest' && !replay) {
      faults.push(`${who}: start: ${start} requires capability replay, and the broker does not have it.`)
    }
    return faults
  })
}
