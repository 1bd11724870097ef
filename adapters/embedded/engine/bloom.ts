/** 16 bits for each of 65,536 hashes and 6 probes: 1 in 1,000 that are not there seems to be. */
const bits = 1 << 20
const probes = 6
export const filterBytes = bits / 8

/** The bits' places step by the hash's high word (Kirsch and Mitzenmacher, "Less Hashing, Same Performance"). */
export function addToFilter(filter: Uint8Array, hash: number): void {
  const step = (hash / 0x1_0000_0000) | 1
  let place = hash >>> 0
  for (let i = 0; i < probes; i++) {
    const bit = place & (bits - 1)
    filter[bit >>> 3]! |= 1 << (bit & 7)
    place += step
  }
}

/** False says for certain that the hash was never added. */
export function mayHave(filter: Uint8Array, hash: number): boolean {
  const step = (hash / 0x1_0000_0000) | 1
  let place = hash >>> 0
  for (let i = 0; i < probes; i++) {
    const bit = place & (bits - 1)
    if ((filter[bit >>> 3]! & (1 << (bit & 7))) === 0) return false
    place += step
  }
  return true
}
