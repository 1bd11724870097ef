import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { aRow, databases, refusal, type StoreStage, storeStage, subscribed } from './store-stage.ts'

describe.each(databases)('the list of deliveries in %s', (database) => {
  let stage: StoreStage
  let store: Store
  beforeAll(async () => {
    stage = await storeStage(database)
    store = await stage.open()
  })
  afterAll(() => stage.close())

  test.each(['abc', '-1', '1.5', '1e999', 'NaN', '\0', ' 1', '9'.repeat(30)])('takes no cursor %j', async (after) => {
    const refused = await refusal(store.deliveries.list({}, { limit: 1, after }))
    expect(refused).toMatchObject({ code: 'invalid_argument', errors: [{ pointer: '/cursor' }] })
  })

  test('goes on where a page ended', async () => {
    const { id: subscription } = await subscribed(store)
    await store.deliveries.insert([aRow(subscription, 'a'), aRow(subscription, 'b')])
    const { next } = await store.deliveries.list({ subscription }, { limit: 1 })
    const rest = await store.deliveries.list({ subscription }, { limit: 1, after: next! })
    expect(rest.items.map(({ event }) => event.id)).toEqual(['b'])
  })

  test('finds nothing of a name that holds a zero byte', async () => {
    expect((await store.deliveries.list({ event: '\0' }, { limit: 1 })).items).toEqual([])
    expect(await store.deliveries.get('\0')).toBeUndefined()
    expect(await store.subscriptions.get('\0')).toBeUndefined()
    expect(await store.operations.get('\0')).toBeUndefined()
  })
})
