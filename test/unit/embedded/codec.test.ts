import { describe, expect, it } from 'vitest'
import { decodeRecord, encodeEvents } from '../../../adapters/embedded/codec.ts'
import { hashText } from '../../../adapters/embedded/engine/hash.ts'
import {
  identityLength,
  identityStart,
  keyHashOf,
  laneBit,
  recordLength,
  sameIdentity,
  viewOf,
} from '../../../adapters/embedded/engine/records.ts'
import type { Event } from '../../../src/core/index.ts'
import { structuredBytes } from '../../../src/core/index.ts'

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)
const bytes = (value: string) => new TextEncoder().encode(value)

const plain: Event = {
  attributes: { specversion: '1.0', id: 'a', source: '/s', type: 't', time: '2026-01-31T12:00:00Z' },
  data: bytes('{"n":1}'),
}
const odd: Event[] = [
  { attributes: { specversion: '1.0', id: 'quo"te', source: '/s', type: 't' } },
  { attributes: { specversion: '1.0', id: 'back\\', source: '/s', type: 't' }, data: new Uint8Array(0) },
  { attributes: { specversion: '1.0', id: '"', source: '"', type: '"' }, data: bytes('x') },
  { attributes: { specversion: '1.0', id: 'ü€😀', source: '/ß', type: 't', partitionkey: '鍵' }, data: bytes('"ü"') },
  { attributes: { specversion: '1.0', id: '😀'.repeat(500), source: '/s', type: 't' }, data: bytes('null') },
  { attributes: { specversion: '1.0', id: 'n', source: '/s', type: 't', flag: true, count: -7 } },
  { attributes: { type: 't', extra: 'e', source: '/s', id: 'other order', specversion: '1.0' } },
  {
    attributes: { specversion: '1.0', id: 'b', source: '/s', type: 't', datacontenttype: 'image/png' },
    data: Uint8Array.from({ length: 256 }, (_, byte) => byte),
  },
]

function decodeAll(encoded: Uint8Array): Event[] {
  const view = viewOf(encoded)
  const events: Event[] = []
  for (let at = 0; at < encoded.length; at += recordLength(view, at)) events.push(decodeRecord(encoded, view, at))
  return events
}

function identityOf(event: Event): string {
  const encoded = encodeEvents([event])
  const from = 20 + identityStart
  return text(encoded.subarray(from, from + identityLength(viewOf(encoded), 0)))
}

describe('the codec', () => {
  it('gives back what it was given, byte for byte', () => {
    const events = [plain, ...odd, plain]
    const decoded = decodeAll(encodeEvents(events))
    expect(decoded.map(({ attributes }) => attributes)).toEqual(events.map(({ attributes }) => attributes))
    expect(decoded.map(({ data }) => data && [...data])).toEqual(events.map(({ data }) => data && [...data]))
  })

  it('tells no data from empty data', () => {
    const [none, empty] = decodeAll(encodeEvents([odd[0]!, odd[1]!]))
    expect(none).not.toHaveProperty('data')
    expect(empty!.data).toHaveLength(0)
  })

  it('keeps how data shows in JSON, and finds it where nobody said', () => {
    const withType = (datacontenttype: string, data: string): Event => ({
      attributes: { specversion: '1.0', id: 'a', source: '/s', type: 't', datacontenttype },
      data: bytes(data),
    })
    const events = [
      withType('application/json', '{"a":1}'),
      withType('application/json', '{\n"a":1}'),
      withType('application/json', '{'),
      withType('text/plain', 'hello'),
      withType('image/png', 'x'),
      { ...withType('text/plain', 'said'), form: 'binary' as const },
    ]
    const forms = decodeAll(encodeEvents(events)).map(({ form }) => form)
    expect(forms).toEqual(['json', 'json-spaced', 'binary', 'text', 'binary', 'binary'])
  })

  it('writes attributes in the canonical order, as members that JSON output can take over', () => {
    const [event] = decodeAll(encodeEvents([odd[6]!]))
    expect(text(event!.attributesJson)).toBe(
      '"specversion":"1.0","id":"other order","source":"/s","type":"t","extra":"e"',
    )
    expect(JSON.parse(text(structuredBytes(event!)))).toEqual(odd[6]!.attributes)
  })

  it('has the identity as one span, whatever is escaped or not ASCII', () => {
    for (const event of [plain, ...odd]) {
      const { id, source } = event.attributes
      expect(identityOf(event)).toBe(`"id":${JSON.stringify(id)},"source":${JSON.stringify(source)}`)
    }
  })

  it('compares identities, not what else an event has', () => {
    const other = { ...plain, attributes: { ...plain.attributes, type: 'other', zzz: 'more' } }
    const moved = { ...plain, attributes: { ...plain.attributes, source: '/other' } }
    const encoded = encodeEvents([odd[3]!, plain, other, moved])
    const view = viewOf(encoded)
    const starts = [0]
    for (let i = 0; i < 3; i++) starts.push(starts[i]! + recordLength(view, starts[i]!))
    const same = (a: number, b: number) => sameIdentity(encoded, view, starts[a]!, encoded, view, starts[b]!)
    expect([same(1, 2), same(1, 3), same(0, 1), same(1, 1)]).toEqual([true, false, false, true])
  })

  it('has the hash of the key, and a lane that depends on nothing but the key', () => {
    const keyed = { ...plain, attributes: { ...plain.attributes, partitionkey: 'k-1' } }
    const encoded = encodeEvents([plain, keyed])
    const view = viewOf(encoded)
    const second = recordLength(view, 0)
    expect(keyHashOf(view, 0)).toBeUndefined()
    expect(keyHashOf(view, second)).toBe(hashText('k-1'))
    const lanes = new Set(Array.from({ length: 1000 }, (_, i) => laneBit(hashText(`k-${i}`))))
    expect(lanes.size).toBe(32)
    expect([...lanes].every((lane) => lane > 0 && Number.isInteger(Math.log2(lane)))).toBe(true)
  })

  it('encodes thousands of events that are larger than they look', () => {
    const many = Array.from({ length: 3000 }, (_, i) => ({
      attributes: { specversion: '1.0' as const, id: `${i}${'€'.repeat(i % 50)}`, source: '/s', type: 't' },
      data: bytes('€'.repeat(i % 7)),
    }))
    const decoded = decodeAll(encodeEvents(many))
    expect(decoded.map(({ attributes }) => attributes.id)).toEqual(many.map(({ attributes }) => attributes.id))
  })
})
