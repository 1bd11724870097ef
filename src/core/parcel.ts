import type { Event } from './event.ts'
import { parseStructured, structuredBytes } from './structured.ts'

/** An event on its way out, as an object and in the JSON format; what is missing of the two is made once, when asked for. */
export class Parcel {
  #event: Event | undefined
  #bytes: Uint8Array | undefined

  private constructor(event: Event | undefined, bytes: Uint8Array | undefined) {
    this.#event = event
    this.#bytes = bytes
  }

  static ofEvent(event: Event): Parcel {
    return new Parcel(event, undefined)
  }

  /** `bytes` are what `bytes` of another parcel was: nothing is checked again. */
  static ofBytes(bytes: Uint8Array): Parcel {
    return new Parcel(undefined, bytes)
  }

  /** Whether the event is at hand as an object. */
  get isRead(): boolean {
    return this.#event !== undefined
  }

  get event(): Event {
    this.#event ??= parseStructured(this.#bytes!, 0, this.#bytes!.length, Number.MAX_SAFE_INTEGER, complete)
    return this.#event
  }

  get bytes(): Uint8Array {
    this.#bytes ??= structuredBytes(this.#event!)
    return this.#bytes
  }
}

/** What was stored lacks nothing. */
const complete = { id: () => '', time: () => '', source: '' }
