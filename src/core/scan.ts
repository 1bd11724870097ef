/**
 * The byte scanner: it walks JSON (RFC 8259) in UTF-8 (RFC 3629) once, without decoding it. It checks the grammar, the
 * encoding and the depth, and says where a member's value lies, so that data can be kept and forwarded byte for byte.
 */

/** Where and why bytes are no JSON. `depth` is set where the nesting is too deep. */
export class ScanError extends Error {
  override readonly name = 'ScanError'
  readonly offset: number
  readonly depth: boolean

  constructor(offset: number, reason: string, depth = false) {
    super(`${reason} at byte ${offset}`)
    this.offset = offset
    this.depth = depth
  }
}

/** The members of an event's envelope that are not attributes, as [start, end) of the value; -1 where absent. */
export interface Envelope {
  dataStart: number
  dataEnd: number
  /** Whether the value of `data` has line breaks between its tokens. */
  dataSpaced: boolean
  base64Start: number
  base64End: number
  /** How many members the object has, duplicates counted. */
  members: number
  /** After the object. */
  end: number
}

// The scanner is synchronous and never calls out, so its state can live here and stay out of every inner call.
let buf: Uint8Array = new Uint8Array(0)
let end = 0
let maxDepth = 64
let spaced = false
let escaped = false

/** 1 for a byte that may stand in a string as it is and is no lead byte of a longer sequence. */
const plain = new Uint8Array(256)
for (let byte = 0x20; byte < 0x80; byte++) plain[byte] = 1
plain[0x22] = 0
plain[0x5c] = 0

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c

/**
 * Checks that [from, to) is one JSON value, with nothing but white space around it, nested no deeper than `depth`.
 * Answers whether white space between its tokens holds a line break. Throws ScanError.
 */
export function scanValue(bytes: Uint8Array, from: number, to: number, depth: number): boolean {
  begin(bytes, to, depth)
  finish(value(space(from), 0))
  return spaced
}

/** Checks that [from, to) is one JSON object and finds `data` and `data_base64` among its members. Throws ScanError. */
export function scanEnvelope(bytes: Uint8Array, from: number, to: number, depth: number): Envelope {
  begin(bytes, to, depth)
  const envelope = envelopeAt(space(from))
  finish(envelope.end)
  return envelope
}

/** Checks that [from, to) is one JSON array; calls `each` with [start, end) of every element. Throws ScanError. */
export function scanArray(
  bytes: Uint8Array,
  from: number,
  to: number,
  depth: number,
  each: (start: number, end: number) => void,
): void {
  begin(bytes, to, depth)
  let i = space(from)
  if (i >= end || buf[i] !== 0x5b) throw new ScanError(i, 'a JSON array must begin')
  i = space(i + 1)
  if (buf[i] === 0x5d && i < end) {
    finish(i + 1)
    return
  }
  for (;;) {
    const start = i
    i = value(i, 1)
    each(start, i)
    i = space(i)
    if (i < end && buf[i] === COMMA) i = space(i + 1)
    else if (i < end && buf[i] === 0x5d) break
    else throw unexpected(i)
  }
  finish(i + 1)
}

/** Whether the bytes are valid UTF-8. */
export function isUtf8(bytes: Uint8Array): boolean {
  begin(bytes, bytes.length, 0)
  try {
    for (let i = 0; i < end; ) i = buf[i]! < 0x80 ? i + 1 : sequence(i)
    return true
  } catch {
    return false
  }
}

function begin(bytes: Uint8Array, to: number, depth: number): void {
  buf = bytes
  end = to
  maxDepth = depth
  spaced = false
}

function finish(i: number): void {
  const after = space(i)
  if (after < end) throw new ScanError(after, 'there is more after the JSON value')
}

function envelopeAt(start: number): Envelope {
  if (start >= end || buf[start] !== 0x7b) throw new ScanError(start, 'a JSON object must begin')
  const found = { dataStart: -1, dataEnd: -1, dataSpaced: false, base64Start: -1, base64End: -1, members: 0, end: 0 }
  let i = space(start + 1)
  if (i < end && buf[i] === 0x7d) {
    found.end = i + 1
    return found
  }
  for (;;) {
    const nameStart = i
    escaped = false
    i = name(i)
    const nameEnd = i
    const member = dataMember(nameStart, nameEnd)
    i = space(i)
    if (i >= end || buf[i] !== COLON) throw unexpected(i)
    i = space(i + 1)
    const valueStart = i
    spaced = false
    i = value(i, 1)
    found.members++
    if (member === 'data') {
      found.dataStart = valueStart
      found.dataEnd = i
      found.dataSpaced = spaced
    } else if (member === 'data_base64') {
      found.base64Start = valueStart
      found.base64End = i
    }
    i = space(i)
    if (i < end && buf[i] === COMMA) i = space(i + 1)
    else if (i < end && buf[i] === 0x7d) {
      found.end = i + 1
      return found
    } else throw unexpected(i)
  }
}

/** A member's name may be written with escapes, and then only decoding tells whether it is one of ours. */
function dataMember(from: number, to: number): string {
  if (escaped) return JSON.parse(new TextDecoder().decode(buf.subarray(from, to))) as string
  const length = to - from - 2
  if (length === 4) return spells(from + 1, 'data') ? 'data' : ''
  return length === 11 && spells(from + 1, 'data_base64') ? 'data_base64' : ''
}

function spells(from: number, text: string): boolean {
  for (let k = 0; k < text.length; k++) if (buf[from + k] !== text.charCodeAt(k)) return false
  return true
}

function space(i: number): number {
  while (i < end) {
    const c = buf[i]!
    if (c > 0x20) return i
    if (c === 0x0a || c === 0x0d) spaced = true
    else if (c !== 0x20 && c !== 0x09) return i
    i++
  }
  return i
}

function value(i: number, depth: number): number {
  if (i >= end) throw new ScanError(i, 'the JSON value ends too early')
  switch (buf[i]) {
    case QUOTE:
      return string(i + 1)
    case 0x7b:
      return object(i, depth + 1)
    case 0x5b:
      return array(i, depth + 1)
    case 0x74:
      return literal(i, 'true')
    case 0x66:
      return literal(i, 'false')
    case 0x6e:
      return literal(i, 'null')
    default:
      return number(i)
  }
}

function object(start: number, depth: number): number {
  if (depth > maxDepth) throw new ScanError(start, `nested deeper than ${maxDepth}`, true)
  let i = space(start + 1)
  if (i < end && buf[i] === 0x7d) return i + 1
  for (;;) {
    i = space(name(i))
    if (i >= end || buf[i] !== COLON) throw unexpected(i)
    i = space(value(space(i + 1), depth))
    if (i < end && buf[i] === COMMA) i = space(i + 1)
    else if (i < end && buf[i] === 0x7d) return i + 1
    else throw unexpected(i)
  }
}

function array(start: number, depth: number): number {
  if (depth > maxDepth) throw new ScanError(start, `nested deeper than ${maxDepth}`, true)
  let i = space(start + 1)
  if (i < end && buf[i] === 0x5d) return i + 1
  for (;;) {
    i = space(value(i, depth))
    if (i < end && buf[i] === COMMA) i = space(i + 1)
    else if (i < end && buf[i] === 0x5d) return i + 1
    else throw unexpected(i)
  }
}

function name(i: number): number {
  if (i >= end || buf[i] !== QUOTE) throw unexpected(i)
  return string(i + 1)
}

function string(start: number): number {
  // Locals: the engine need not read the module's state again for every byte.
  const bytes = buf
  const asIs = plain
  const to = end
  let i = start
  for (;;) {
    while (i < to && asIs[bytes[i]!] === 1) i++
    if (i >= to) throw new ScanError(i, 'a string does not end')
    const c = bytes[i]!
    if (c === QUOTE) return i + 1
    if (c === BACKSLASH) i = escapeSequence(i)
    else if (c < 0x20) throw new ScanError(i, 'a control character in a string')
    else i = sequence(i)
  }
}

function escapeSequence(i: number): number {
  escaped = true
  const c = i + 1 < end ? buf[i + 1] : 0
  if (c === 0x75) {
    for (let digit = i + 2; digit < i + 6; digit++) {
      const d = digit < end ? buf[digit]! : 0
      if (!((d >= 0x30 && d <= 0x39) || ((d | 0x20) >= 0x61 && (d | 0x20) <= 0x66))) throw unexpected(digit)
    }
    return i + 6
  }
  // " \ / b f n r t
  if (c === 0x22 || c === 0x5c || c === 0x2f || c === 0x62 || c === 0x66 || c === 0x6e || c === 0x72 || c === 0x74) {
    return i + 2
  }
  throw unexpected(i + 1)
}

/** One multi-byte sequence: no overlong form, no surrogate, nothing above U+10FFFF (RFC 3629, section 4). */
function sequence(i: number): number {
  const c = buf[i]!
  const c1 = i + 1 < end ? buf[i + 1]! : 0
  if (c >= 0xc2 && c <= 0xdf && tail(c1)) return i + 2
  const c2 = i + 2 < end ? buf[i + 2]! : 0
  if (c >= 0xe0 && c <= 0xef && tail(c1) && tail(c2) && !(c === 0xe0 && c1 < 0xa0) && !(c === 0xed && c1 > 0x9f)) {
    return i + 3
  }
  const c3 = i + 3 < end ? buf[i + 3]! : 0
  if (
    c >= 0xf0 &&
    c <= 0xf4 &&
    tail(c1) &&
    tail(c2) &&
    tail(c3) &&
    !(c === 0xf0 && c1 < 0x90) &&
    !(c === 0xf4 && c1 > 0x8f)
  ) {
    return i + 4
  }
  throw new ScanError(i, 'invalid UTF-8')
}

function tail(c: number): boolean {
  return (c & 0xc0) === 0x80
}

function literal(i: number, text: string): number {
  for (let k = 0; k < text.length; k++) {
    if (i + k >= end || buf[i + k] !== text.charCodeAt(k)) throw unexpected(i + k)
  }
  return i + text.length
}

function number(start: number): number {
  let i = start
  if (buf[i] === 0x2d) i++
  if (i < end && buf[i] === 0x30) i++
  else i = digits(i)
  if (i < end && buf[i] === 0x2e) i = digits(i + 1)
  if (i < end && (buf[i]! | 0x20) === 0x65) {
    i++
    if (i < end && (buf[i] === 0x2b || buf[i] === 0x2d)) i++
    i = digits(i)
  }
  return i
}

function digits(start: number): number {
  let i = start
  while (i < end && buf[i]! >= 0x30 && buf[i]! <= 0x39) i++
  if (i === start) throw unexpected(i)
  return i
}

function unexpected(i: number): ScanError {
  return i < end ? new ScanError(i, 'unexpected character') : new ScanError(i, 'the JSON value ends too early')
}
