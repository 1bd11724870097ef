import type { Capabilities } from './expectation.ts'
import type { WatchedClient } from './watched-client.ts'

export interface DescribedTopic {
  readonly broker: string
  readonly epoch: number
  readonly dedupWindow: string
  readonly groups: readonly string[]
  readonly subscriptions: readonly string[]
  readonly capabilities: Readonly<Record<string, { readonly value: unknown; readonly by: string }>>
}

export async function describeTopic(client: WatchedClient, topic: string): Promise<DescribedTopic> {
  return (await client.get(`/v1/topics/${topic}`)).json<DescribedTopic>()
}

export function capabilitiesIn({ capabilities }: Pick<DescribedTopic, 'capabilities'>): Capabilities {
  const values = Object.entries(capabilities).map(([name, { value }]) => [name, value])
  return Object.fromEntries(values) as Capabilities
}

/** The same of a broker by itself: what a topic may require. */
export async function describeBroker(
  client: WatchedClient,
  name: string,
): Promise<Pick<DescribedTopic, 'capabilities'>> {
  const { items } = (await client.get('/v1/brokers')).json<{
    items: (Pick<DescribedTopic, 'capabilities'> & { name: string })[]
  }>()
  const found = items.find((broker) => broker.name === name)
  if (found === undefined) throw new Error(`There is no broker ${name}.`)
  return found
}
