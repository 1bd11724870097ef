/**
 * Two 32-bit lanes of multiply-and-xor, finished as MurmurHash3 does, cut to 53 bits so that a hash is an exact number.
 * Not for secrets: whatever trusts a hash here also compares what was hashed, or only loses time when two are equal.
 */
export function hashText(text: string): number {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    a = Math.imul(a ^ unit, 2654435761)
    b = Math.imul(b ^ unit, 1597334677)
  }
  return finish(a, b)
}

/** The same over bytes [from, to); hashes of different seeds are unrelated. */
export function hashBytes(bytes: Uint8Array, from: number, to: number, seed: number): number {
  let a = 0xdeadbeef ^ Math.imul(seed, 0x9e3779b1)
  let b = 0x41c6ce57 ^ seed
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!
    a = Math.imul(a ^ byte, 2654435761)
    b = Math.imul(b ^ byte, 1597334677)
  }
  return finish(a, b)
}

function finish(a: number, b: number): number {
  const low = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
  const high = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909)
  return (high & 0x1fffff) * 0x1_0000_0000 + (low >>> 0)
}
