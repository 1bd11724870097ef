import { isJsonType } from '../../core/event.ts'
import { ScanError, scanValue } from '../../core/scan.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What templates find inside of a body. */
export interface Payload {
  /** The text, number or boolean at this place, as text; undefined for everything else. */
  find(path: readonly string[]): string | undefined
}

/** A body by its content type, read when it is first asked for. What is neither JSON nor a form has nothing to find. */
export function payloadOf(contentType: string | null, body: Uint8Array, depth: number): Payload {
  let find: Payload['find'] | undefined
  return {
    find(path) {
      find ??= finder(contentType, body, depth)
      return find(path)
    },
  }
}

function finder(contentType: string | null, body: Uint8Array, depth: number): Payload['find'] {
  const form = formOf(contentType, body)
  if (form !== undefined)
    return ([name, ...rest]) => (rest.length === 0 ? (form.get(name ?? '') ?? undefined) : undefined)
  // Nothing said is JSON, as everywhere with CloudEvents.
  const root = contentType === null || isJsonType(contentType) ? parse(body, depth) : undefined
  return (path) => {
    let node = root
    for (const member of path) {
      if (node === null || typeof node !== 'object' || !Object.hasOwn(node, member)) return undefined
      if (Array.isArray(node) && member === 'length') return undefined
      node = (node as Readonly<Record<string, unknown>>)[member]
    }
    return typeof node === 'string' || typeof node === 'number' || typeof node === 'boolean' ? String(node) : undefined
  }
}

/** The parameters of a form in UTF-8; undefined for any other body. */
export function formOf(contentType: string | null, body: Uint8Array): URLSearchParams | undefined {
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(contentType ?? '')) return undefined
  try {
    return new URLSearchParams(decoder.decode(body))
  } catch {
    return undefined
  }
}

/** Undefined for what is no JSON, or nested deeper than `depth`, which native parsing would not mind. */
function parse(body: Uint8Array, depth: number): unknown {
  try {
    scanValue(body, 0, body.length, depth)
  } catch (error) {
    if (error instanceof ScanError) return undefined
    throw error
  }
  // Numbers stay what they are written as: beyond 2^53 two ids would become one.
  return JSON.parse(decoder.decode(body), (_, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' ? (context?.source ?? value) : value,
  )
}
