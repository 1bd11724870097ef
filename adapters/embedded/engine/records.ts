import type { DataForm } from '../../../src/core/event.ts'

/**
 * How an event lies in a chunk, little-endian:
 *
 *     u32 length of the record, this header included
 *     u32 length of the attributes
 *     u32 length of the identity
 *     u32 low word of the key's hash
 *     u32 high 21 bits of the key's hash · form << 24 · keyed << 28
 *     attributes: JSON members without braces: "specversion":"1.0","id":…,"source":…,"type":…,…
 *     data, to the end
 *
 * The identity is the span `"id":…,"source":…`, which always begins at the same place.
 */
export const headerBytes = 20
export const identityStart = '"specversion":"1.0",'.length

const keyedBit = 1 << 28

/** What the form's number stands for; the first is an event without data. */
export const forms: readonly (DataForm | undefined)[] = [undefined, 'json', 'json-spaced', 'text', 'binary']

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export function writeHeader(
  view: DataView,
  at: number,
  length: number,
  attributes: number,
  identity: number,
  form: number,
  key: number | undefined,
): void {
  view.setUint32(at, length, true)
  view.setUint32(at + 4, attributes, true)
  view.setUint32(at + 8, identity, true)
  view.setUint32(at + 12, key === undefined ? 0 : key >>> 0, true)
  const high = key === undefined ? 0 : Math.floor(key / 0x1_0000_0000) | keyedBit
  view.setUint32(at + 16, high | (form << 24), true)
}

export function recordLength(view: DataView, at: number): number {
  return view.getUint32(at, true)
}

export function attributesLength(view: DataView, at: number): number {
  return view.getUint32(at + 4, true)
}

export function identityLength(view: DataView, at: number): number {
  return view.getUint32(at + 8, true)
}

export function formOf(view: DataView, at: number): number {
  return (view.getUint32(at + 16, true) >>> 24) & 0xf
}

/** The hash of the record's key, or undefined where it has none. */
export function keyHashOf(view: DataView, at: number): number | undefined {
  const high = view.getUint32(at + 16, true)
  return (high & keyedBit) === 0 ? undefined : (high & 0x1fffff) * 0x1_0000_0000 + view.getUint32(at + 12, true)
}

/** A bit for each of 32 lanes; a key always falls into the same one. Unsigned. */
export function laneBit(keyHash: number): number {
  return (1 << ((keyHash >>> 0) & 31)) >>> 0
}

/** Where record number `index` begins. */
export function seekRecord(view: DataView, index: number): number {
  let at = 0
  for (let i = 0; i < index; i++) at += recordLength(view, at)
  return at
}

/** Whether two records are the same event by `source` and `id`. */
export function sameIdentity(
  a: Uint8Array,
  aView: DataView,
  aAt: number,
  b: Uint8Array,
  bView: DataView,
  bAt: number,
): boolean {
  const length = identityLength(aView, aAt)
  if (length !== identityLength(bView, bAt)) return false
  const from = aAt + headerBytes + identityStart
  const shift = bAt - aAt
  for (let i = from; i < from + length; i++) if (a[i] !== b[i + shift]) return false
  return true
}
