import { expect, test } from 'vitest'
import { Call } from '../../../adapters/rabbitmq/publish/call.ts'
import { events } from '../../conformance/events.ts'

const refused = { code: 'unprocessable', detail: 'returned' } as const
const lost = { code: 'unknown_outcome', detail: 'lost' } as const

test('is answered once everything is confirmed, in the order of the events', async () => {
  const call = new Call(events(3, 'e'), 10, 0)
  for (const tag of [12, 10, 11]) call.confirm(tag)
  expect(call.isDone).toBe(true)
  expect(await call.results).toEqual(['e-0', 'e-1', 'e-2'].map((id) => ({ id, status: 'stored' })))
})

test('what was returned has failed when it is confirmed, and not before', async () => {
  const call = new Call(events(2, 'e'), 1, 0)
  call.returned(1, refused)
  call.confirm(2)
  expect(call.isDone).toBe(false)
  call.confirm(1)
  expect(await call.results).toMatchObject([{ status: 'failed', error: refused }, { status: 'stored' }])
})

test('what is given up is unknown, except what is known already; what comes later is only counted', async () => {
  const call = new Call(events(3, 'e'), 1, 0)
  call.confirm(2)
  call.abandon(lost)
  expect(await call.results).toMatchObject([
    { id: 'e-0', status: 'unknown', error: lost },
    { id: 'e-1', status: 'stored' },
    { id: 'e-2', status: 'unknown', error: lost },
  ])
  // What comes back of it is not to be taken for a retry of the same event.
  expect(call.openEvent(1)?.attributes.id).toBe('e-0')
  call.confirm(1)
  expect(call.openEvent(1)).toBeUndefined()
  call.confirm(1)
  expect(call.isDone).toBe(false)
  call.confirm(3)
  expect(call.isDone).toBe(true)
})

test('a message that the server refused is unknown: another queue may have it', async () => {
  const call = new Call(events(1, 'e'), 1, 0)
  call.confirm(1, lost)
  expect(await call.results).toMatchObject([{ status: 'unknown', error: lost }])
})
