import type { Random } from '../conformance/random.ts'
import type { Published } from './ledger.ts'

/** One event as a client sends it. Without an id the gateway makes one. */
export interface Item extends Published {
  readonly id?: string
}

export type Verdict =
  | { readonly status: 'stored'; readonly id: string; readonly position?: string }
  | { readonly status: 'failed' | 'unknown'; readonly detail: string }

export type OnVerdict = (item: Item, verdict: Verdict) => void

/** One way to publish. */
export interface Form {
  readonly name: string
  /** How many events one request has. */
  readonly size: readonly [from: number, to: number]
  readonly ids: 'client' | 'gateway'
  readonly keyed: boolean
  readonly atomic?: true
  /** The header under which the same request is safe to send again although its ids are the gateway's. */
  readonly idempotent?: true
  request(items: readonly Item[]): { path: string; headers: Record<string, string>; body: string }
}

const events = '/v1/topics/load/events'
const batchType = 'application/cloudevents-batch+json'

function padding({ token }: Item): string {
  // Its length varies and is the same whenever the same event is sent.
  return 'x'.repeat((Number.parseInt(token.slice(-3), 36) * 7) % 400)
}

function dataOf(item: Item): { token: string; pad: string } {
  return { token: item.token, pad: padding(item) }
}

function structured(item: Item): Record<string, unknown> {
  return {
    specversion: '1.0',
    type: 'load.made',
    source: '/load',
    ...(item.id !== undefined && { id: item.id }),
    ...(item.key !== undefined && { partitionkey: item.key }),
    data: dataOf(item),
  }
}

function batch(items: readonly Item[], query = '') {
  const body = JSON.stringify(items.map(structured))
  return { path: `${events}${query}`, headers: { 'content-type': batchType }, body }
}

function plain(item: Item) {
  const query = new URLSearchParams({
    ...(item.id !== undefined && { id: item.id }),
    ...(item.key !== undefined && { key: item.key }),
  })
  const headers = { 'content-type': 'application/json' }
  return { path: `${events}?${query}`, headers, body: JSON.stringify(dataOf(item)) }
}

export const forms: readonly Form[] = [
  {
    name: 'structured',
    size: [1, 1],
    ids: 'client',
    keyed: true,
    request: ([item]) => ({
      path: events,
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(structured(item!)),
    }),
  },
  {
    name: 'binary',
    size: [1, 1],
    ids: 'client',
    keyed: true,
    request: ([item]) => ({
      path: events,
      headers: {
        'content-type': 'application/json',
        'ce-specversion': '1.0',
        'ce-type': 'load.made',
        'ce-source': '/load',
        'ce-id': item!.id ?? '',
        'ce-partitionkey': item!.key ?? '',
      },
      body: JSON.stringify(dataOf(item!)),
    }),
  },
  { name: 'plain', size: [1, 1], ids: 'client', keyed: true, request: ([item]) => plain(item!) },
  { name: 'plain, id by the gateway', size: [1, 1], ids: 'gateway', keyed: false, request: ([item]) => plain(item!) },
  {
    name: 'plain, Idempotency-Key',
    size: [1, 1],
    ids: 'gateway',
    keyed: true,
    idempotent: true,
    request: ([item]) => plain(item!),
  },
  { name: 'batch', size: [2, 60], ids: 'client', keyed: true, request: (items) => batch(items) },
  {
    name: 'batch, Idempotency-Key',
    size: [2, 40],
    ids: 'gateway',
    keyed: true,
    idempotent: true,
    request: (items) => batch(items),
  },
  {
    name: 'batch, atomic',
    size: [2, 40],
    ids: 'client',
    keyed: true,
    atomic: true,
    request: (items) => batch(items, '?atomic=true'),
  },
  // What is delayed has no place among its key's events until it is due.
  {
    name: 'batch, delayed',
    size: [2, 20],
    ids: 'client',
    keyed: false,
    request: (items) => batch(items, '?delay=800ms'),
  },
  {
    name: 'NDJSON',
    size: [20, 200],
    ids: 'client',
    keyed: true,
    request: (items) => ({
      path: events,
      headers: { 'content-type': 'application/x-ndjson' },
      body: items.map((item) => `${JSON.stringify(structured(item))}\n`).join(''),
    }),
  },
]

export function sizeOf(form: Form, random: Random): number {
  return random.between(...form.size)
}
