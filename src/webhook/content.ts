import { dataForm, type Event } from '../core/event.ts'
import type { Parcel } from '../core/parcel.ts'
import type { DeliveryMode } from '../core/subscription.ts'

/** The content type of an event in the JSON format. */
export const structuredType = 'application/cloudevents+json'

const nothing = new Uint8Array(0)

/** The body of a request; in the modes other than structured its headers go to the end of `headers`. */
export function writeContent(mode: DeliveryMode, parcel: Parcel, headers: string[]): Uint8Array {
  if (mode === 'structured') return parcel.bytes
  const { event } = parcel
  const type = contentType(event)
  if (type !== undefined) headers.push('content-type', type)
  if (mode === 'binary') {
    const { attributes } = event
    for (const name in attributes) {
      if (name !== 'datacontenttype') headers.push(`ce-${name}`, encodeHeader(String(attributes[name])))
    }
  }
  return event.data ?? nothing
}

const printable = /^[\x20-\x7e\t]*$/

/** Data without a content type is JSON, as the JSON format has it (section 3.1.1), where it is JSON. */
function contentType(event: Event): string | undefined {
  const type = event.attributes.datacontenttype
  if (typeof type !== 'string') {
    return event.data !== undefined && dataForm(event).startsWith('json') ? 'application/json' : undefined
  }
  if (printable.test(type)) return type
  // Only parameters may hold anything else.
  return type.slice(0, type.indexOf(';')).trimEnd()
}

const plain = /^[\x21\x23\x24\x26-\x7e]*$/
// What is left as it is: printable ASCII but for space, double quote and percent (HTTP binding 1.0.2, section 3.1.3.2).
const encoded = /[^\x21\x23\x24\x26-\x7e]+/gu

function encodeHeader(value: string): string {
  return plain.test(value) ? value : value.replace(encoded, encodeURIComponent)
}
