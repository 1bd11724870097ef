import { GatewayError, invalid } from './errors.ts'
import { type Attributes, checkAttribute, type Event } from './event.ts'
import type { Defaults } from './structured.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * One event in the binary mode of the HTTP binding (CloudEvents HTTP Protocol Binding 1.0.2, section 3.1): `ce-*`
 * headers, percent-decoded, are attributes, `content-type` is `datacontenttype`, the body is data, byte for byte.
 * `headers` come with lower-case names. Throws `invalid_argument` that points at the header.
 */
export function parseBinary(headers: Iterable<[string, string]>, body: Uint8Array, defaults: Defaults): Event {
  const attributes: Record<string, string | number | boolean> = { specversion: '1.0', id: '', source: '', type: '' }
  let specversion: string | undefined
  for (const [header, raw] of headers) {
    if (header === 'content-type') {
      checkAttribute('datacontenttype', raw, '')
      attributes.datacontenttype = raw
      continue
    }
    if (!header.startsWith('ce-')) continue
    const name = header.slice(3)
    const value = decodeHeader(name, raw)
    if (name === 'datacontenttype')
      throw invalid('/datacontenttype', 'In binary mode the content type is the header Content-Type.')
    checkAttribute(name, value, '')
    if (name === 'specversion') specversion = value
    attributes[name] = value
  }
  if (specversion === undefined) throw invalid('/specversion', 'The header ce-specversion is required.')
  if (attributes.type === '') throw invalid('/type', 'The header ce-type is required.')
  if (attributes.id === '') attributes.id = defaults.id()
  if (attributes.source === '') attributes.source = defaults.source
  if (attributes.time === undefined) attributes.time = defaults.time()
  const complete = attributes as unknown as Attributes
  // No body and no content type is an event without data; an empty body of a stated type is empty data.
  if (body.length === 0 && attributes.datacontenttype === undefined) return { attributes: complete }
  return { attributes: complete, data: body }
}

/** One round of percent-decoding, then UTF-8 (section 3.1.3.2); double quotes around the value are taken off first. */
function decodeHeader(name: string, raw: string): string {
  const value =
    raw.length >= 2 && raw.startsWith('"') && raw.endsWith('"') ? raw.slice(1, -1).replace(/\\(.)/g, '$1') : raw
  if (!value.includes('%') && isAscii(value)) return value
  const bytes: number[] = []
  for (let i = 0; i < value.length; i++) {
    const pair = value[i] === '%' ? value.slice(i + 1, i + 3) : ''
    if (/^[0-9A-Fa-f]{2}$/.test(pair)) {
      bytes.push(Number.parseInt(pair, 16))
      i += 2
    } else {
      // A header's characters are bytes (Fetch, "isomorphic decode").
      bytes.push(value.charCodeAt(i) & 0xff)
    }
  }
  try {
    return decoder.decode(Uint8Array.from(bytes))
  } catch (cause) {
    throw new GatewayError('invalid_argument', `The header ce-${name} is not valid UTF-8.`, {
      errors: [{ pointer: `/${name}`, detail: 'not valid UTF-8 after percent-decoding' }],
      cause,
    })
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false
  return true
}
