import { hash } from 'node:crypto'
import { readTicket, type Ticket } from './message.ts'

const prefix = '$JS.ACK.'
const pattern = /^([0-9a-z]{1,10})\.([\w-]{16})\.(\S{1,600})$/

/** A lease: which delivery it is of, and until when. */
export interface Receipt {
  /** What the delivery is acknowledged under. */
  readonly subject: string
  readonly ticket: Ticket
  readonly expiresAt: number
}

/**
 * A receipt holds all that any replica needs to settle with. It is signed with the group's secret, so that nobody makes
 * one up, and none outlives its group: a group that is moved gets another secret.
 */
export class Receipts {
  readonly #secret: string
  readonly #start: string

  constructor(secret: string, stream: string, consumer: string) {
    this.#secret = secret
    this.#start = `.${stream}.${consumer}.`
  }

  write(subject: string, expiresAt: number): string {
    const place = subject.slice(prefix.length)
    const until = expiresAt.toString(36)
    return `${until}.${this.#sign(until, place)}.${place}`
  }

  /** Undefined where the text is no receipt of this group. */
  read(text: string): Receipt | undefined {
    const [, until = '', signature, place = ''] = pattern.exec(text) ?? []
    if (signature === undefined || signature !== this.#sign(until, place)) return undefined
    const subject = `${prefix}${place}`
    const ticket = readTicket(subject)
    if (ticket === undefined || !`.${place}`.includes(this.#start)) return undefined
    return { subject, ticket, expiresAt: Number.parseInt(until, 36) }
  }

  #sign(until: string, place: string): string {
    return hash('sha256', `${this.#secret} ${until} ${place}`, 'base64url').slice(0, 16)
  }
}
