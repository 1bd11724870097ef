const seed = 0x9747b28c
const m = 0x5bd1e995

/** The hash by which Java's producer spreads keys (`Utils.murmur2` of Apache Kafka), as a signed 32-bit number. */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes
  const whole = length & ~3
  let h = seed ^ length
  for (let at = 0; at < whole; at += 4) {
    let k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  const left = length - whole
  if (left === 3) h ^= bytes[whole + 2]! << 16
  if (left >= 2) h ^= bytes[whole + 1]! << 8
  if (left >= 1) h = Math.imul(h ^ bytes[whole]!, m)
  h ^= h >>> 13
  h = Math.imul(h, m)
  return h ^ (h >>> 15)
}
