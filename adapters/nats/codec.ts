import { hash } from 'node:crypto'
import { type MsgHdrs, MsgHdrsImpl } from '@nats-io/transport-node'
import { type Event, GatewayError } from '../../src/core/index.ts'

/** Names and values as they go over the wire: ASCII, without line breaks. */
export type HeaderRecord = Record<string, string[]>

/** In binary mode every attribute is text: this header keeps what was a number or a boolean. */
export const typesHeader = 'sluice-types'
/** Whether there is data, where an empty payload would be read the other way. */
export const dataHeader = 'sluice-data'
export const idHeader = 'Nats-Msg-Id'

/** JetStream's own bound for the headers of a message. */
const maxHeaderBytes = 65_535
/** Left free for what the adapter adds: of a publish, and of a dead letter (its reason, and where it came from). */
export const reservedBytes = 4096
const frameBytes = 'NATS/1.0\r\n\r\n'.length

/** The attributes as the CloudEvents NATS binding has them in its binary mode, and the trace also by its plain name. */
export function headersOf({ attributes, data }: Event): HeaderRecord {
  const headers: HeaderRecord = {}
  let types = ''
  for (const name in attributes) {
    const value = attributes[name]!
    if (typeof value !== 'string') types += `${types === '' ? '' : ','}${name}=${typeof value}`
    const text = [encodeValue(String(value))]
    if (name === 'datacontenttype') headers['content-type'] = [contentType(String(value))]
    else headers[`ce-${name}`] = text
    if (name === 'traceparent' || name === 'tracestate') headers[name] = text
  }
  if (types !== '') headers[typesHeader] = [types]
  const isTyped = attributes.datacontenttype !== undefined
  if (data === undefined && isTyped) headers[dataHeader] = ['absent']
  if (data?.length === 0 && !isTyped) headers[dataHeader] = ['empty']
  return headers
}

export function toHeaders(record: HeaderRecord): MsgHdrs {
  return MsgHdrsImpl.fromRecord(record)
}

/** Throws `too_large` where the encoded event is more than the server takes. `limit` counts headers and payload. */
export function checkSize(record: HeaderRecord, data: Uint8Array, limit: number): void {
  let headerBytes = frameBytes + reservedBytes
  for (const name in record) for (const value of record[name]!) headerBytes += name.length + value.length + 4
  if (headerBytes > maxHeaderBytes) {
    const most = maxHeaderBytes - reservedBytes
    const detail = `The attributes have ${headerBytes - reservedBytes} bytes as headers; NATS takes ${most} here.`
    throw new GatewayError('too_large', detail)
  }
  if (headerBytes + data.length <= limit) return
  const detail = `The event has ${headerBytes - reservedBytes + data.length} bytes as a message; NATS takes ${limit - reservedBytes} here.`
  throw new GatewayError('too_large', detail)
}

/** What tells an event from others within the deduplication window. */
export function messageId({ attributes: { source, id } }: Event): string {
  return hash('sha256', `${source}\n${id}`, 'base64url')
}

const plain = /^[!#$&-~]*$/
const odd = /[^!#$&-~]/gu

/** Percent-encoded as in the HTTP binding (section 3.1.3.2): all but visible ASCII, and `"` and `%`. */
export function encodeValue(text: string): string {
  return plain.test(text) ? text : text.replace(odd, percent)
}

function percent(character: string): string {
  return character.charCodeAt(0) < 0x80
    ? `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
    : encodeURIComponent(character)
}

/** A content type is not percent-encoded; one that no header can hold is. */
function contentType(text: string): string {
  return /^[ -$&-~]*$/.test(text) && text.trim() === text ? text : encodeValue(text)
}

/** Undoes `encodeValue`; what is not well-formed stays as it is. */
export function decodeValue(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
