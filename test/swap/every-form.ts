import { batchType, cloudEvent, ndjsonType, structuredType } from '../http/events.ts'
import type { Ask } from '../http/lacks.ts'

/** One request of every form, with the ids that it publishes. */
export function everyForm(topic: string, query: string): { readonly ids: readonly string[]; readonly ask: Ask }[] {
  const target = `/v1/topics/${topic}/events${query}`
  const form = (ids: string[], body: string, type: string, more: Record<string, string> = {}) => ({
    ids,
    ask: { method: 'POST', target, body, headers: { 'content-type': type, ...more } },
  })
  const event = (id: string) => JSON.stringify(cloudEvent(id, { data: id }))
  const separator = query === '' ? '?' : '&'
  const plain = form(['plain'], '"plain"', 'application/json')
  return [
    { ...plain, ask: { ...plain.ask, target: `${target}${separator}id=plain` } },
    form(['binary'], '"binary"', 'application/json', { 'ce-specversion': '1.0', 'ce-type': 't', 'ce-id': 'binary' }),
    form(['structured'], event('structured'), structuredType),
    form(['x', 'y'], `[${event('x')},${event('y')}]`, batchType),
    form(['l1', 'l2', 'l3'], ['l1', 'l2', 'l3'].map((id) => `${event(id)}\n`).join(''), ndjsonType),
  ]
}
