import { defaultPolicy } from '../../src/core/subscription.ts'
import type { NewDelivery } from '../../src/store/deliveries.ts'
import type { Store } from '../../src/store/store.ts'
import { oneEvent } from './events.ts'

const owners = 100
const perInsert = 5000
const hourMs = 3_600_000

/** Rows that are due in an hour, of subscriptions that want nothing of what is published. */
export async function parkRows(store: Store, rows: number): Promise<void> {
  const now = Date.now()
  for (let i = 0; i < owners; i++) {
    const subscription = {
      id: owner(i),
      topic: 'bench',
      url: 'http://127.0.0.1:9/',
      filters: [{ exact: { type: 'nothing' } }],
      mode: 'structured',
      headers: {},
      ordering: 'none',
      start: 'latest',
      policy: defaultPolicy,
      labels: {},
      secrets: [],
      status: 'active',
      declared: false,
      createdAt: now,
      updatedAt: now,
    } as const
    await store.subscriptions.create(subscription, { state: 'attached' })
  }
  const bytes = oneEvent()
  for (let first = 0; first < rows; first += perInsert) {
    const some = Array.from({ length: Math.min(perInsert, rows - first) }, (_, i): NewDelivery => {
      const event = Math.floor((first + i) / owners)
      return {
        id: `dlv_parked${first + i}`,
        subscription: owner((first + i) % owners),
        topic: 'bench',
        event: { ref: `parked${event}`, id: `parked${event}`, source: '/bench', type: 'nothing', bytes },
        status: 'parked',
        at: now + hourMs,
        attempts: [],
        now,
      }
    })
    await store.deliveries.insert(some)
  }
}

function owner(i: number): string {
  return `sub_parked${i}`
}
