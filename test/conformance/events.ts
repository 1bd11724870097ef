import assert from 'node:assert/strict'
import { type Attributes, type Event, eventBytes } from '../../src/core/event.ts'

const encoder = new TextEncoder()

/** An event as a well-behaved producer sends it; `attributes` override and add. */
export function event(id: string, attributes: Partial<Attributes> = {}, data?: Uint8Array): Event {
  const complete = {
    specversion: '1.0',
    id,
    source: '/conformance',
    type: 'conformance.made',
    time: '2026-01-31T12:00:00.125Z',
    ...attributes,
  } as Attributes
  return data === undefined ? { attributes: complete } : { attributes: complete, data }
}

/** `count` events with JSON data, whose ids are `<stem>-0`, `<stem>-1`, … */
export function events(count: number, stem: string, attributes: Partial<Attributes> = {}): Event[] {
  return Array.from({ length: count }, (_, i) =>
    event(
      `${stem}-${i}`,
      { datacontenttype: 'application/json', ...attributes },
      encoder.encode(`{"n":${i},"of":"${stem}"}`),
    ),
  )
}

/** An event whose size, as limits count it, is `bytes`. */
export function eventOfSize(id: string, bytes: number, attributes: Partial<Attributes> = {}): Event {
  const typed = { datacontenttype: 'application/octet-stream', ...attributes }
  const envelope = eventBytes(event(id, typed))
  assert(bytes >= envelope, `maxEventBytes (${bytes}) does not even hold an envelope of ${envelope} bytes`)
  return event(id, typed, new Uint8Array(bytes - envelope).fill(0x61))
}

export function idOf(one: Event): string {
  return one.attributes.id
}

export function ids(some: Iterable<Event>): string[] {
  return Array.from(some, idOf)
}

/**
 * The same event: every attribute and no other, data byte for byte, absent and empty data told apart. A number or a
 * boolean may come back as its canonical string, as binary modes have it (CloudEvents 1.0.2, "Type System").
 */
export function assertSameEvent(actual: Event, expected: Event): void {
  const id = idOf(expected)
  assert.deepEqual(canonical(actual), canonical(expected), `the attributes of ${id} changed`)
  if (expected.data === undefined) {
    assert.equal(actual.data, undefined, `${id} had no data, and came with ${actual.data?.length} bytes`)
    return
  }
  assert(actual.data !== undefined, `${id} lost its data`)
  assert(Buffer.compare(actual.data, expected.data) === 0, `the data of ${id} changed`)
}

function canonical(one: Event): Record<string, string> {
  return Object.fromEntries(
    Object.entries(one.attributes)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, String(value)]),
  )
}

/** The same ids as often, in any order. */
export function assertSameIds(actual: Iterable<string>, expected: Iterable<string>, what: string): void {
  const missing = new Map<string, number>()
  for (const id of expected) missing.set(id, (missing.get(id) ?? 0) + 1)
  const surplus: string[] = []
  for (const id of actual) {
    const left = missing.get(id) ?? 0
    if (left === 0) surplus.push(id)
    else if (left === 1) missing.delete(id)
    else missing.set(id, left - 1)
  }
  if (missing.size === 0 && surplus.length === 0) return
  assert.fail(`${what}: ${sample('missing', [...missing.keys()])}, ${sample('too many', surplus)}`)
}

function sample(what: string, some: readonly string[]): string {
  return `${some.length} ${what}${some.length > 0 ? ` (${some.slice(0, 5).join(', ')}${some.length > 5 ? ', …' : ''})` : ''}`
}
