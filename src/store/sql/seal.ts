import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const format = 1
const ivBytes = 12
const tagBytes = 16
const headBytes = 1 + ivBytes + tagBytes

/** Encrypts what the store may not hold in the clear: AES-256-GCM, with a key that comes from a configured text. */
export class Seal {
  readonly #key: Buffer

  constructor(text: string) {
    this.#key = Buffer.from(hkdfSync('sha256', text, '', 'sluice store', 32))
  }

  /** `about` names what it belongs to: it opens nowhere else. */
  close(text: string, about: string): Uint8Array {
    const iv = randomBytes(ivBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv).setAAD(Buffer.from(about))
    const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    return Buffer.concat([Buffer.of(format), iv, cipher.getAuthTag(), body])
  }

  /** Undefined where it was sealed with another key, for something else, or is damaged. */
  open(sealed: Uint8Array, about: string): string | undefined {
    if (sealed.length < headBytes || sealed[0] !== format) return undefined
    try {
      const iv = sealed.subarray(1, 1 + ivBytes)
      const options = { authTagLength: tagBytes }
      const decipher = createDecipheriv('aes-256-gcm', this.#key, iv, options).setAAD(Buffer.from(about))
      decipher.setAuthTag(sealed.subarray(1 + ivBytes, headBytes))
      return Buffer.concat([decipher.update(sealed.subarray(headBytes)), decipher.final()]).toString('utf8')
    } catch {
      return undefined
    }
  }
}
