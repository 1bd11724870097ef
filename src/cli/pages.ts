import type { Client } from './client.ts'
import { elementsOf, memberOf } from './raw-json.ts'

const pageSize = 100

/** The items of a list over all of its pages, each as the text that the gateway wrote; at most `limit`. */
export async function* itemsOf(
  client: Client,
  path: string,
  query: Readonly<Record<string, string | undefined>>,
  limit = Number.POSITIVE_INFINITY,
  onPage: (page: Record<string, unknown>) => void = () => {},
): AsyncGenerator<string> {
  let cursor: string | undefined
  let left = limit
  do {
    const size = String(Math.min(left, pageSize))
    const text = await client.read(path, { query: { ...query, limit: size, cursor } })
    const page = JSON.parse(text) as { next?: string }
    onPage(page)
    const items = elementsOf(memberOf(text, 'items') ?? '[]')
    yield* items
    left -= items.length
    cursor = page.next
  } while (cursor !== undefined && left > 0)
}
