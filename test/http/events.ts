import type { Client } from '../fixtures/client.ts'

export interface ReadEvent {
  readonly specversion: string
  readonly id: string
  readonly source: string
  readonly type: string
  readonly time?: string
  readonly datacontenttype?: string
  readonly partitionkey?: string
  readonly data?: unknown
  readonly data_base64?: string
  readonly [extension: string]: unknown
}

export interface Entry {
  readonly position: string
  readonly event: ReadEvent
}

export interface Receipt {
  readonly id: string
  readonly status: string
  readonly topic?: string
  readonly position?: string
  readonly duplicate?: true
  readonly error?: { readonly code: string; readonly detail: string }
}

export const structuredType = 'application/cloudevents+json'
export const batchType = 'application/cloudevents-batch+json'
export const ndjsonType = 'application/x-ndjson'

/** Everything that a topic holds: lines have no pages. */
export async function entriesOf(client: Client, topic: string, query = ''): Promise<Entry[]> {
  const answer = await client.get(`/v1/topics/${topic}/events?from=earliest${query}`, { accept: ndjsonType })
  const lines = answer.status === 200 ? answer.lines<Entry & { next?: string }>() : []
  if (lines.pop()?.next === undefined) throw new Error(answer.text)
  return lines
}

export interface Page {
  readonly events: readonly Entry[]
  readonly next: string
}

/** The pages of JSON from `from` on, until one is empty. */
export async function pagesOf(client: Client, topic: string, from = 'earliest'): Promise<Page[]> {
  const pages: Page[] = []
  for (let at = from; pages.at(-1)?.events.length !== 0; at = pages.at(-1)!.next) {
    const answer = await client.get(`/v1/topics/${topic}/events?limit=1000&from=${encodeURIComponent(at)}`)
    pages.push(answer.json<Page>())
  }
  return pages
}

export async function idsOf(client: Client, topic: string, query = ''): Promise<string[]> {
  return (await entriesOf(client, topic, query)).map(({ event }) => event.id)
}

/** The only event of a topic, as its text on the wire. */
export async function wireOf(client: Client, topic: string): Promise<string> {
  const answer = await client.get(`/v1/topics/${topic}/events?from=earliest`, { accept: ndjsonType })
  const [line, next, nothing] = answer.text.split('\n')
  if (line === undefined || nothing !== '' || next?.startsWith('{"next":') !== true) throw new Error(answer.text)
  const begin = line.indexOf(',"event":') + ',"event":'.length
  return line.slice(begin, -1)
}

export async function onlyEvent(client: Client, topic: string): Promise<ReadEvent> {
  const entries = await entriesOf(client, topic)
  if (entries.length !== 1) throw new Error(`${entries.length} events in ${topic}`)
  return entries[0]!.event
}

/** A CloudEvent with what is required, and `more`. */
export function cloudEvent(id: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { specversion: '1.0', id, source: '/test', type: 'test.made', ...more }
}

/** A promise for a test to keep open, and what ends it. */
export function gate(): { readonly closed: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { closed: promise, open: () => resolve() }
}

/** Waits until `condition` answers something; a deadline against hanging, never a measurement. */
export async function until<T>(condition: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  const deadline = Date.now() + 20_000
  for (;;) {
    const found = await condition()
    if (found !== undefined && found !== false) return found
    if (Date.now() > deadline) throw new Error('It did not come to pass.')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
