/** No hash is negative. */
const empty = -1

/** A table from hashes to references, open-addressed: quicker than a Map, and its entries can be sorted in place. */
export class Memtable {
  #hashes = new Float64Array(1024).fill(empty)
  #references = new Float64Array(1024)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** 0 where the hash is not there. */
  get(hash: number): number {
    const at = this.#find(hash)
    return this.#hashes[at] === hash ? this.#references[at]! : 0
  }

  set(hash: number, reference: number): void {
    let at = this.#find(hash)
    if (this.#hashes[at] !== hash) {
      if ((this.#size + 1) * 2 > this.#hashes.length) {
        this.#grow()
        at = this.#find(hash)
      }
      this.#hashes[at] = hash
      this.#size++
    }
    this.#references[at] = reference
  }

  /** All hashes, ascending. */
  sorted(): Float64Array {
    const sorted = new Float64Array(this.#size)
    let count = 0
    for (const hash of this.#hashes) if (hash !== empty) sorted[count++] = hash
    return sorted.sort()
  }

  clear(): void {
    this.#hashes.fill(empty)
    this.#size = 0
  }

  #find(hash: number): number {
    const mask = this.#hashes.length - 1
    let at = (hash >>> 0) & mask
    while (this.#hashes[at] !== hash && this.#hashes[at] !== empty) at = (at + 1) & mask
    return at
  }

  #grow(): void {
    const hashes = this.#hashes
    const references = this.#references
    this.#hashes = new Float64Array(hashes.length * 2).fill(empty)
    this.#references = new Float64Array(hashes.length * 2)
    for (let i = 0; i < hashes.length; i++) {
      const hash = hashes[i]!
      if (hash === empty) continue
      const at = this.#find(hash)
      this.#hashes[at] = hash
      this.#references[at] = references[i]!
    }
  }
}
