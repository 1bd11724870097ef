import type { CheckedAnswer, Client } from '../fixtures/client.ts'

export const path = '/v1/subscriptions'
export const url = 'https://hooks.example.com/orders'

export interface Shown {
  readonly id: string
  readonly topic: string
  readonly name?: string
  readonly status: string
  readonly secret?: string
  readonly [field: string]: unknown
}

/** One that is there now. */
export async function subscribe(client: Client, topic: string, fields: object = {}): Promise<Shown> {
  const answer = await client.post(path, { topic, url, ...fields })
  if (answer.status !== 201) throw new Error(answer.text)
  return answer.json<Shown>()
}

export function patch(
  client: Client,
  id: string,
  changes: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<CheckedAnswer> {
  return client.request('PATCH', `${path}/${id}`, {
    json: changes,
    headers: { 'content-type': 'application/merge-patch+json', ...headers },
  })
}

/** What `errors` of a refusal point at. */
export function pointers(answer: CheckedAnswer): (string | undefined)[] {
  return (answer.problem.errors ?? []).map(({ pointer }) => pointer)
}
