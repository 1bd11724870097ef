import { CloudEvent, type CloudEventV1, HTTP, type Message } from 'cloudevents'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CheckedAnswer, Client } from '../fixtures/client.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { batchType, entriesOf, type ReadEvent, structuredType } from './events.ts'
import { Group } from './groups.ts'

let gateway: TestGateway
let client: Client
beforeAll(async () => {
  gateway = await startTestGateway()
  client = gateway.client
})
afterAll(() => gateway.stop())

type Sample = readonly [name: string, event: CloudEvent<unknown>]

const common = {
  id: 'e-1',
  source: '/interop',
  type: 'interop.made',
  time: '2026-01-31T12:00:00.000Z',
  subject: 'a subject',
  dataschema: 'https://example.org/schema',
}
const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte)
const samples: readonly Sample[] = [
  [
    'JSON',
    new CloudEvent({ ...common, datacontenttype: 'application/json', data: { a: [1, 'é€😀', null], b: { c: true } } }),
  ],
  ['no data', new CloudEvent({ ...common })],
  ['text', new CloudEvent({ ...common, datacontenttype: 'text/plain', data: 'hello é' })],
  [
    'extensions',
    new CloudEvent({
      ...common,
      partitionkey: 'k',
      myext: 'v',
      number: 7,
      flag: true,
      data: 1,
      datacontenttype: 'application/json',
    }),
  ],
  ['bytes', new CloudEvent({ ...common, datacontenttype: 'application/octet-stream', data: everyByte })],
]

function send(topic: string, { headers, body }: Message): Promise<CheckedAnswer> {
  const plain = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
  const content = body === undefined || body === null ? undefined : (body as string | Uint8Array<ArrayBuffer>)
  return client.request('POST', `/v1/topics/${topic}/events`, {
    headers: plain,
    ...(content !== undefined && { body: content }),
  })
}

/** What an SDK event is in JSON, without what its classes add. */
function comparable(event: CloudEventV1<unknown>): Record<string, unknown> {
  const { data, data_base64, ...rest } = JSON.parse(JSON.stringify(event)) as Record<string, unknown>
  return { ...rest, ...(data !== undefined && { data }), ...(data_base64 !== undefined && { data_base64 }) }
}

async function readBack(topic: string): Promise<ReadEvent> {
  const [entry] = await entriesOf(client, topic)
  return entry!.event
}

/** As a client of the SDK gets it: from the JSON of a read. */
function parsed(event: ReadEvent): CloudEvent<unknown> {
  const message: Message = { headers: { 'content-type': structuredType }, body: JSON.stringify(event) }
  return HTTP.toEvent(message) as CloudEvent<unknown>
}

describe('events of the SDK', () => {
  test.each(samples)('in structured mode come through: %s', async (_, event) => {
    const topic = await gateway.topic()
    expect((await send(topic, HTTP.structured(event))).json()).toMatchObject({ id: 'e-1', status: 'stored' })
    const back = parsed(await readBack(topic))
    expect(comparable(back)).toEqual(comparable(parsed(JSON.parse(HTTP.structured(event).body as string) as ReadEvent)))
    expect(back.validate()).toBe(true)
  })

  test.each(samples)('in binary mode come through: %s', async (name, event) => {
    const topic = await gateway.topic()
    expect((await send(topic, HTTP.binary(event))).json()).toMatchObject({ id: 'e-1', status: 'stored' })
    const back = parsed(await readBack(topic))
    expect(back).toMatchObject({ id: 'e-1', source: '/interop', type: 'interop.made', subject: 'a subject' })
    if (name === 'bytes') expect(Buffer.from(back.data as Uint8Array)).toEqual(Buffer.from(everyByte))
    else expect(back.data).toEqual(event.data)
    // Headers have strings only.
    if (name === 'extensions') expect(back).toMatchObject({ partitionkey: 'k', myext: 'v', number: '7', flag: 'true' })
    expect(back.validate()).toBe(true)
  })

  test('in a batch come through, in order', async () => {
    const topic = await gateway.topic({ dedupWindowMs: 0 })
    const events = samples.map(([, event], i) => event.cloneWith({ id: `e-${i}` }))
    const body = `[${events.map((event) => HTTP.structured(event).body as string).join(',')}]`
    expect((await client.publish(topic, body, batchType)).status).toBe(200)
    const entries = await entriesOf(client, topic)
    const message: Message = {
      headers: { 'content-type': batchType },
      body: JSON.stringify(entries.map(({ event }) => event)),
    }
    const back = HTTP.toEvent(message) as CloudEvent<unknown>[]
    expect(back.map(({ id }) => id)).toEqual(events.map(({ id }) => id))
    expect(back[0]?.data).toEqual(samples[0]![1].data)
  })

  test('of which an attribute has what HTTP cannot carry as it is come through in binary mode', async () => {
    const topic = await gateway.topic()
    const subject = 'Euro € 😀 "quoted" 100%'
    const message = HTTP.binary(new CloudEvent({ ...common, data: 'x', datacontenttype: 'text/plain' }))
    // The SDK leaves the encoding of headers to its user (HTTP binding 1.0.2, section 3.1.3.2).
    const encoded = subject.replaceAll(/[^\x21-\x7e]|["%]/gu, (char) => encodeURIComponent(char))
    await send(topic, { ...message, headers: { ...message.headers, 'ce-subject': encoded } })
    expect(parsed(await readBack(topic)).subject).toBe(subject)
  })

  test('reach pullers as the SDK reads them', async () => {
    const topic = await gateway.topic()
    const group = new Group(client, topic)
    await group.create()
    await send(topic, HTTP.structured(samples[0]![1]))
    const back = parsed((await group.one()).event)
    expect(back.data).toEqual(samples[0]![1].data)
  })
})
