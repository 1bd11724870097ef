import type { Subscriber } from '../config/swap.ts'
import { pageMax } from '../core/limits.ts'
import type { Subscriptions } from '../store/subscriptions.ts'

/** What those of a topic ask of its broker; who has ended asks nothing. */
export async function subscribersOf(subscriptions: Subscriptions, topic: string): Promise<readonly Subscriber[]> {
  const found: Subscriber[] = []
  for (let after: string | undefined; ; ) {
    const page = await subscriptions.list({ topic, limit: pageMax, ...(after !== undefined && { after }) })
    for (const { id, status, ordering, feed } of page) {
      if (status !== 'ended') found.push({ id, ordering, isDetached: feed.state !== 'attached' })
    }
    after = page.at(-1)?.id
    if (page.length < pageMax) return found
  }
}
