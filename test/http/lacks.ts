import type { CapabilityName } from '../../src/core/broker.ts'
import type { RequestOptions } from '../fixtures/client.ts'
import { batchType, cloudEvent } from './events.ts'

/** A request, to be sent by either of the two ways of a client. */
export interface Ask extends RequestOptions {
  readonly method: string
  readonly target: string
}

/** All that a broker may lack of what the API refuses, but for receipts, without which nothing else of a group is asked. */
export const lacking = {
  groups: 'one',
  replay: false,
  publishDelayMs: 1000,
  atomicPublishMax: 2,
  seek: false,
  reject: false,
  extend: false,
  nackDelayMs: 0,
  exclusiveKeys: false,
} as const

/**
 * For every capability, what is refused by its name without it: each request has something else wrong too, which is not
 * looked at then. `topic` has a group `g` and the subscription.
 */
export function refusedAsks(topic: string, subscription: string): ReadonlyMap<CapabilityName, readonly Ask[]> {
  const at = `/v1/topics/${topic}`
  const events = `${at}/events`
  const group = `${at}/groups/g`
  const ask = (method: string, target: string, json?: unknown): Ask => ({
    method,
    target,
    ...(json !== undefined && { json }),
  })
  const settle = (item: object) => ask('POST', `${group}/settle`, { settlements: [{ bogus: 1, ...item }], bogus: 1 })
  const subscribe = (fields: object) => ask('POST', '/v1/subscriptions?bogus=1', { topic, ...fields, bogus: 1 })
  const batch = JSON.stringify(['a', 'b', 'c'].map((id) => cloudEvent(id)))
  const path = '/v1/replays?bogus=1'
  return new Map<CapabilityName, readonly Ask[]>([
    [
      'replay',
      [
        ask('GET', `${events}?bogus=1`),
        { ...ask('GET', `${events}?bogus=1`), headers: { accept: 'text/event-stream' } },
        ask('GET', `${events}/1?bogus=1`),
        ask('POST', '/v1/tickets', { topic }),
        ask('PUT', group, { start: 'earliest', bogus: 1 }),
        subscribe({ start: 'soon' }),
        ask('POST', path, { subscription, from: 5, bogus: 1 }),
      ],
    ],
    ['publishDelayMs', [{ ...ask('POST', `${events}?delay=2s&bogus=1`), body: 'x' }]],
    [
      'atomicPublishMax',
      [{ ...ask('POST', `${events}?atomic=true`), body: batch, headers: { 'content-type': batchType } }],
    ],
    ['receipt', [ask('POST', `${group}/pull`, { bogus: 1 }), ask('PUT', `${group}?bogus=1`, { bogus: 1 })]],
    ['seek', [ask('POST', `${group}/seek`, { bogus: 1 })]],
    [
      'reject',
      [
        settle({ outcome: 'reject' }),
        ask('GET', `${group}/dead?bogus=1`),
        ask('POST', `${group}/dead/redrive`, { bogus: 1 }),
        ask('DELETE', `${group}/dead/x?bogus=1`),
      ],
    ],
    ['extend', [settle({ outcome: 'extend' })]],
    ['nackDelayMs', [settle({ outcome: 'nack', delay: '1s' })]],
    ['groups', [ask('PUT', `${at}/groups/another`, { bogus: 1 }), subscribe({ url: 5 })]],
    ['exclusiveKeys', [subscribe({ ordering: 'key' })]],
  ])
}
