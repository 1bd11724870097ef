import { afterEach, describe, expect, test } from 'vitest'
import { databases, endedRow, refusal, type StoreStage, storedEvent, storeStage, subscribed } from './store-stage.ts'

let stage: StoreStage
afterEach(() => stage.close())

describe.each(databases)('%s', (database) => {
  test.each(['discarded', 'expired'] as const)(
    'a %s delivery whose event was not kept is not tried again',
    async (status) => {
      stage = await storeStage(database)
      const store = await stage.open()
      const { id } = await subscribed(store)
      const event = { ...storedEvent(status), bytes: new Uint8Array(0) }
      await store.deliveries.insert([endedRow(id, status, { status, event })])
      const { code } = await refusal(store.deliveries.retry(`${id}/${status}`, 2000))
      expect(code).toBe('conflict')
      expect(await store.deliveries.counts(id)).toMatchObject({ [status]: 1, parked: 0 })
      expect(await store.deliveries.pending(id)).toEqual([])
    },
  )
})
