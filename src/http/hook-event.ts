import { checkAttribute, type Event } from '../core/event.ts'
import { type Hook, type HookTemplates, hookAttributes } from '../core/hook.ts'
import { fill, parseTemplate, type Slot, type Template } from '../core/template.ts'
import { providers } from '../webhook/providers/index.ts'
import { payloadOf } from '../webhook/providers/payload.ts'

/** A request to a hook whose signature was right. */
interface Verified {
  readonly headers: Headers
  readonly body: Uint8Array
  /** A hash of the signature: the same for the same request, whatever its other headers say. */
  readonly signature: string
  readonly time: string
}

/** Makes events of the requests to one hook. */
export type EventMaker = (request: Verified) => Event

/**
 * What the hook's own templates cannot fill, or fill with what no attribute may hold, comes from the provider's, and last
 * from a text; key and subject are then left out. A webhook whose signature is right is never refused for its content:
 * its sender would only send the same again.
 */
export function eventMaker(name: string, hook: Hook, depth: number): EventMaker {
  const { id, type } = providers[hook.provider]
  const defaults: Readonly<Record<keyof HookTemplates, readonly string[]>> = {
    id,
    type,
    source: [`/hooks/${name}`],
    subject: [],
    key: [],
  }
  const makers = hookAttributes.map((attribute) => {
    const own = hook.templates[attribute]
    const templates = [...(own === undefined ? [] : [own]), ...defaults[attribute].map(known)]
    return [attribute === 'key' ? 'partitionkey' : attribute, templates] as const
  })
  return ({ headers, body, signature, time }) => {
    const contentType = headers.get('content-type')
    const payload = payloadOf(contentType, body, depth)
    const find = (slot: Slot): string | undefined => {
      if (slot.from === 'header') return headers.get(slot.name) ?? undefined
      return slot.from === 'data' ? payload.find(slot.path) : signature
    }
    const attributes = { specversion: '1.0' as const, id: signature, source: `/hooks/${name}`, type: '', time }
    const all: Record<string, string> & typeof attributes = attributes
    for (const [attribute, templates] of makers) {
      const value = firstValid(attribute, templates, find)
      if (value !== undefined) all[attribute] = value
    }
    if (contentType !== null && isValid('datacontenttype', contentType)) all.datacontenttype = contentType
    return { attributes: all, data: body }
  }
}

function known(text: string): Template {
  const template = parseTemplate(text)
  if ('fault' in template) throw new Error(`The template ${text} ${template.fault}.`)
  return template
}

function firstValid(
  attribute: string,
  templates: readonly Template[],
  find: (slot: Slot) => string | undefined,
): string | undefined {
  for (const template of templates) {
    const value = fill(template, find)
    if (value !== undefined && isValid(attribute, value)) return value
  }
  return undefined
}

function isValid(attribute: string, value: string): boolean {
  try {
    checkAttribute(attribute, value, '')
    return true
  } catch {
    return false
  }
}
