import type { Client } from './client.ts'
import { itemsOf } from './pages.ts'

/** The id of a subscription that was given by its id or its name. What is neither is left as it is: the gateway says so. */
export async function subscriptionId(client: Client, given: string): Promise<string> {
  if (given.startsWith('sub_')) return given
  for await (const item of itemsOf(client, '/v1/subscriptions', {})) {
    const { id, name } = JSON.parse(item) as { id: string; name?: string }
    if (name === given) return id
  }
  return given
}
