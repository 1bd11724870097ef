import assert from 'node:assert/strict'
import { requireLog } from '../../src/core/capabilities.ts'
import { checkAttribute, type Event } from '../../src/core/event.ts'
import { drain } from './consuming.ts'
import type { Context } from './context.ts'
import { assertSameEvent, event, eventOfSize, events, idOf, ids } from './events.ts'
import { assertStored, publishFails, rejects } from './refusal.ts'
import type { Scenario } from './scenario.ts'

/** Publishes, consumes and reads back: what arrives is what was sent, by every way that the broker has. */
async function assertRoundTrip(context: Context, sent: readonly Event[]): Promise<void> {
  const topic = await context.topic('round-trip')
  const group = await context.group(topic)
  const results = await context.publish(topic, sent)
  assert.deepEqual(
    results.map(({ id }) => id),
    ids(sent),
    'results carry the ids in order',
  )
  const byId = new Map(sent.map((one) => [idOf(one), one]))
  const delivered = await drain(context, await context.consumer(topic, group), ids(sent))
  for (const delivery of delivered) assertSameEvent(delivery.event, byId.get(idOf(delivery.event))!)
  if (!context.capabilities.replay) return
  const read = new Set<string>()
  const log = requireLog(context.broker)
  for await (const { records } of log.read(topic, 'earliest', { signal: AbortSignal.timeout(context.deadlineMs) })) {
    for (const record of records) {
      assertSameEvent(record.event, byId.get(idOf(record.event))!)
      read.add(idOf(record.event))
    }
  }
  assert.equal(read.size, sent.length, 'the log has every event')
}

const roundTrip: Scenario = {
  id: 1,
  title: 'Round trip: id, data and attributes of 100 events come back equal',
  async run(context) {
    const sent = Array.from({ length: 100 }, (_, i) =>
      event(
        `${i}`,
        { subject: `order/${i}`, partitionkey: `k${i % 7}`, traceparent: `00-${i}`, n: i, even: i % 2 === 0 },
        context.random.bytes(context.random.between(0, 2000)),
      ),
    )
    await assertRoundTrip(context, sent)
  },
}

const bodies: Scenario = {
  id: 3,
  title: 'Data: all 256 byte values, NUL, empty, absent, invalid UTF-8, JSON kept byte for byte',
  async run(context) {
    const text = new TextEncoder()
    const every = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    const binary = { datacontenttype: 'application/octet-stream' }
    const json = { datacontenttype: 'application/json' }
    await assertRoundTrip(context, [
      event('every', binary, every),
      event('every-untyped', {}, every),
      event('nul', binary, Uint8Array.of(0)),
      event('empty', binary, new Uint8Array(0)),
      event('empty-untyped', {}, new Uint8Array(0)),
      event('empty-text', { datacontenttype: 'text/plain' }, new Uint8Array(0)),
      event('absent', json),
      event('absent-untyped'),
      event('latin1', { datacontenttype: 'text/plain' }, Uint8Array.of(0x66, 0xfc, 0x72)),
      event('half-surrogate', { datacontenttype: 'text/plain' }, Uint8Array.of(0xed, 0xa0, 0x80)),
      event('bom', { datacontenttype: 'text/plain' }, Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)),
      event('no-json', json, Uint8Array.of(0xff, 0xfe)),
      event('null', json, text.encode('null')),
      event('big-number', json, text.encode('{"n":9007199254740993,"e":1e400}')),
      event('key-order', json, text.encode('{"b":1,"a":2,"a":3}')),
      event('spaces', json, text.encode(' {\r\n  "a" :\t1\n}\n')),
      event('escapes', json, text.encode('"\\u0041\\/\\ud83d"')),
      event('looks-like-base64', { datacontenttype: 'text/plain' }, text.encode('AAECAw==')),
    ])
  },
}

const attributes: Scenario = {
  id: 4,
  title:
    'Attributes: odd strings, names that adapters use themselves, more than 40: equal or a typed refusal, none dropped',
  async run(context) {
    const odd = [
      '',
      ' ',
      ' x ',
      'ü€😀',
      'a=b&c;d,e',
      '"quoted"',
      "it's",
      '%41%',
      '\\',
      'true',
      '5',
      '-0',
      'null',
      '{"a":1}',
    ]
    const long = 'x'.repeat(1000)
    const own = ['topic', 'key', 'group', 'attempt', 'lease', 'receipt', 'position', 'offset', 'partition', 'headers']
    const inherited = ['constructor', 'prototype', 'tostring', 'valueof', 'length', 'proto']
    const many = Array.from({ length: 40 }, (_, i) => [`extension${i}`, `value ${i}`] as const)
    const candidates = [
      ...odd.map((value, i) => event(`odd-${i}`, { extension: value })),
      event('long', { extension: long, subject: long }),
      event('own', Object.fromEntries(own.map((name) => [name, `mine ${name}`]))),
      event('inherited', Object.fromEntries(inherited.map((name) => [name, `mine ${name}`]))),
      event('many', Object.fromEntries(many)),
      event('typed', { yes: true, no: false, zero: 0, least: -2147483648, most: 2147483647 }),
      event('spelled', { subject: 'ünïcode 😀', partitionkey: 'ключ', dataschema: 'https://example.com/schema#a' }),
      event('time', { time: '2026-01-31t12:00:00.123456789+14:00' }),
      event('source', { source: 'urn:x:%E4?a=b#c' }),
      event('ID-with.Everything/in ~it~ ü😀'),
    ]
    for (const one of candidates) {
      for (const [name, value] of Object.entries(one.attributes)) checkAttribute(name, value, '')
    }
    // A collision of case cannot even be asked for: the core takes lower case only.
    await rejects('an attribute in upper case', () => checkAttribute('Extension', 'x', ''), 'invalid_argument')

    const topic = await context.topic('probe')
    await context.group(topic)
    const taken: Event[] = []
    for (const one of candidates) {
      const [result] = await context.publishRaw(topic, [one])
      if (result?.status === 'stored') taken.push(one)
      else
        assert(result !== undefined && clientErrors.has(result.error.code), `${idOf(one)}: ${JSON.stringify(result)}`)
    }
    assert(taken.length > 0, 'at least one of them is taken')
    await assertRoundTrip(context, taken)
  },
}

const clientErrors: ReadonlySet<string> = new Set(['invalid_argument', 'too_large', 'unprocessable', 'unsupported'])

const size: Scenario = {
  id: 5,
  title: 'Size: limit−1 and limit with the attributes are stored, limit+1 is too_large and nothing of it is stored',
  async run(context) {
    const limit = context.capabilities.maxEventBytes
    const topic = await context.topic('size')
    const group = await context.group(topic)
    const wide = { subject: 'ü€😀'.repeat(20), partitionkey: 'k' }
    const fitting = [eventOfSize('below', limit - 1), eventOfSize('at', limit), eventOfSize('at-wide', limit, wide)]
    for (const one of fitting) await context.publish(topic, [one])
    for (const over of [eventOfSize('over', limit + 1), eventOfSize('over-wide', limit + 1, wide)]) {
      await rejects('the core lets it pass', () => context.publisher(topic).checkSize(over), 'too_large')
      await publishFails('limit + 1', () => context.publishRaw(topic, [over]), 'too_large')
    }
    const last = event('last')
    await context.publish(topic, [last])
    const byId = new Map([...fitting, last].map((one) => [idOf(one), one]))
    for (const delivery of await drain(context, await context.consumer(topic, group), byId.keys())) {
      assertSameEvent(delivery.event, byId.get(idOf(delivery.event))!)
    }
  },
}

const missingTopic: Scenario = {
  id: 6,
  title: 'A missing topic or group is not_found in every call, and is not created by asking',
  async run(context) {
    const { broker } = context
    const topic = context.name('missing')
    const options = { start: 'latest', leaseMs: 30_000, maxAttempts: 16 } as const
    const signal = AbortSignal.timeout(context.deadlineMs)
    const calls: [string, () => Promise<unknown>][] = [
      ['groups.create', () => broker.groups.create(topic, 'group', options)],
      ['groups.describe', () => broker.groups.describe(topic, 'group')],
      ['groups.list', () => broker.groups.list(topic)],
      ['open', () => broker.open(topic, 'group', { prefetch: 1 })],
    ]
    const { log, admin } = broker
    if (log !== undefined) {
      calls.push(['log.read', () => log.read(topic, 'earliest', { signal })[Symbol.asyncIterator]().next()])
      calls.push(['log.get', () => log.get(topic, '0')])
    }
    if (admin !== undefined) calls.push(['admin.describe', () => admin.describe(topic)])
    for (const round of ['before', 'after']) {
      await publishFails(`publish, ${round}`, () => context.publishRaw(topic, [event('1')]), 'not_found')
      for (const [name, call] of calls) {
        await rejects(`${name}, ${round}`, () => context.within(`${name} settles`, call()), 'not_found')
      }
    }
    const existing = await context.topic('existing')
    await rejects('open of a missing group', () => broker.open(existing, 'missing', { prefetch: 1 }), 'not_found')
    await rejects('groups.describe of a missing group', () => broker.groups.describe(existing, 'missing'), 'not_found')
    assert.deepEqual(await broker.groups.list(existing), [], 'no group came into being')
    await context.group(existing)
    assertStored(await context.publishRaw(existing, events(1, 'after')), 1)
  },
}

export const publishScenarios: readonly Scenario[] = [roundTrip, bodies, attributes, size, missingTopic]
