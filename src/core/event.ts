import { invalid } from './errors.ts'
import { isUtf8, ScanError, scanValue } from './scan.ts'

/** Attributes may be strings, booleans and 32-bit integers in JSON (CloudEvents 1.0.2, "Type System"). */
export type AttributeValue = string | number | boolean

export interface Attributes {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  readonly [extension: string]: AttributeValue
}

/** How data shows in JSON. `json-spaced` is JSON with line breaks between its tokens. */
export type DataForm = 'json' | 'json-spaced' | 'text' | 'binary'

/** A CloudEvent (version 1.0). Data is bytes, kept as they came; absent and empty differ. */
export interface Event {
  readonly attributes: Attributes
  readonly data?: Uint8Array
  /** What `dataForm` would find, where it is known already. */
  readonly form?: DataForm
  /** The attributes as JSON members without the braces, where they are at hand in that form. */
  readonly attributesJson?: Uint8Array
}

/** The ordering key. */
export function keyOf(event: Event): string | undefined {
  const key = event.attributes.partitionkey
  return key === undefined ? undefined : String(key)
}

/** `application/json`, `text/json` and every `+json`; parameters do not matter. */
export function isJsonType(contentType: string): boolean {
  if (contentType === 'application/json') return true
  const essence = essenceOf(contentType)
  return essence === 'application/json' || essence === 'text/json' || essence.endsWith('+json')
}

function isTextType(contentType: string): boolean {
  const essence = essenceOf(contentType)
  if (essence.startsWith('text/') || essence.endsWith('+xml')) return true
  return (
    essence === 'application/xml' || essence === 'application/x-www-form-urlencoded' || essence === 'application/yaml'
  )
}

function essenceOf(contentType: string): string {
  const semicolon = contentType.indexOf(';')
  return (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
}

/**
 * How an event's data reads as JSON (api.md, "An event reads as"). No content type means JSON, as the CloudEvents JSON
 * format has it (section 3.1.1); what calls itself JSON and is not, or is nested too deep to be shown, is binary.
 */
export function dataForm(event: Event, maxDepth = 64): DataForm {
  if (event.form !== undefined) return event.form
  const { data } = event
  const type = event.attributes.datacontenttype
  if (data === undefined) return 'json'
  if (typeof type !== 'string' || isJsonType(type)) {
    try {
      return scanValue(data, 0, data.length, maxDepth) ? 'json-spaced' : 'json'
    } catch (error) {
      if (error instanceof ScanError) return 'binary'
      throw error
    }
  }
  return isTextType(type) && isUtf8(data) ? 'text' : 'binary'
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: CloudEvents forbids exactly these (section 3.1, String).
const forbiddenCharacters = /[\u0000-\u001f\u007f-\u009f\ufdd0-\ufdef\ufffe\uffff]/
const attributeName = /^[a-z0-9]+$/
const rfc3339 =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/
const mediaType = /^[!#$%&'*+.^_`|~\w-]+\/[!#$%&'*+.^_`|~\w-]+\s*(;.*)?$/
const uriReference = /^[^\s<>"{}|\\^`]+$/
const absoluteUri = /^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"{}|\\^`]*$/

/** Whether `text` is a time as RFC 3339 writes it. */
export function isTime(text: string): boolean {
  const match = rfc3339.exec(text)
  if (match === null) return false
  // Every month has 28 days; only for more does the calendar have to be asked.
  if (Number(match[3]) <= 28) return true
  const month = Number(match[2])
  const days = new Date(Date.UTC(2000 + (Number(match[1]) % 400), month, 0)).getUTCDate()
  return Number(match[3]) <= days
}

/**
 * Checks one attribute by name and value. Throws `invalid_argument` at `${pointer}/${name}`. What a version 1.0 event
 * must have (`id`, `source`, `type`) is the caller's to ask for.
 */
export function checkAttribute(name: string, value: unknown, pointer: string): asserts value is AttributeValue {
  if (typeof value === 'string') {
    const complaint = complain(name, value) ?? complainOfCharacters(name, value)
    if (complaint !== undefined) throw invalid(`${pointer}/${escapePointer(name)}`, complaint)
    return
  }
  if (core.has(name) || name === 'partitionkey')
    throw invalid(`${pointer}/${name}`, `Attribute ${name} must be a string.`)
  if (!attributeName.test(name) || name === 'data')
    throw invalid(`${pointer}/${escapePointer(name)}`, nameComplaint(name))
  if (typeof value === 'boolean') return
  if (typeof value === 'number' && Number.isInteger(value) && value === (value | 0)) return
  throw invalid(`${pointer}/${name}`, `Attribute ${shown(name)} must be a string, a boolean or a 32-bit integer.`)
}

const core = new Set(['specversion', 'id', 'source', 'type', 'time', 'subject', 'datacontenttype', 'dataschema'])

function complain(name: string, value: string): string | undefined {
  switch (name) {
    case 'specversion':
      return value === '1.0' ? undefined : 'Attribute specversion must be "1.0".'
    case 'id':
    case 'type':
    case 'subject':
    case 'partitionkey':
      return value === '' ? `Attribute ${name} must not be empty.` : undefined
    case 'source':
      return uriReference.test(value) ? undefined : 'Attribute source must be a URI reference, and not empty.'
    case 'time':
      return isTime(value)
        ? undefined
        : 'Attribute time must be a time as RFC 3339 writes it, like 2026-01-31T12:00:00Z.'
    case 'datacontenttype':
      return mediaType.test(value)
        ? undefined
        : 'Attribute datacontenttype must be a media type, like application/json.'
    case 'dataschema':
      return absoluteUri.test(value) ? undefined : 'Attribute dataschema must be an absolute URI.'
    case 'data':
      return 'data is no attribute.'
    default:
      return attributeName.test(name) ? undefined : nameComplaint(name)
  }
}

function complainOfCharacters(name: string, value: string): string | undefined {
  if (!forbiddenCharacters.test(value) && value.isWellFormed()) return undefined
  return `Attribute ${shown(name)} has a character that CloudEvents does not allow.`
}

function nameComplaint(name: string): string {
  return `Attribute name ${JSON.stringify(shown(name))} must be lower-case letters and digits only.`
}

/** A name has no bound of its own; a sentence about it has. */
function shown(name: string): string {
  return name.slice(0, 64)
}

/** A reference token of a JSON Pointer (RFC 6901, section 3). */
export function escapePointer(token: string): string {
  return token.includes('~') || token.includes('/') ? token.replaceAll('~', '~0').replaceAll('/', '~1') : token
}

/** The event's size as limits count it: data, and the attributes' names and values in UTF-8. */
export function eventBytes(event: Event): number {
  let size = event.data?.length ?? 0
  if (event.attributesJson !== undefined) return size + event.attributesJson.length
  const attributes = event.attributes
  for (const name in attributes) {
    const value = attributes[name]
    size += name.length + (typeof value === 'string' ? utf8Length(value) : 8)
  }
  return size
}

/** Bytes of a well-formed string in UTF-8. */
export function utf8Length(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0x80) length += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2
  }
  return length
}
