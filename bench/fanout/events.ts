import { eventBytes } from '../load/job.ts'
import { type IdCounter, order } from '../load/payload.ts'
import { stampMember, stampPlace, writeStamp } from './clock.ts'

const idDigits = 12

/** The type of the events for one of several destinations. */
export function typeOf(destination: number): string {
  return `com.example.order.${String(destination).padStart(6, '0')}`
}

function structured(prefix: string, type: string): string {
  const id = `${prefix}${'0'.repeat(idDigits)}`
  const head = `{"specversion":"1.0","id":"${id}","source":"/bench/orders","type":"${type}",`
  const middle = '"time":"2026-01-01T12:00:00.000Z","datacontenttype":"application/json","data":'
  const around = head.length + middle.length + 1 + stampMember.length + 1
  return `${head}${middle}{${stampMember},${order(eventBytes - around).slice(1)}}`
}

/** What the ceiling posts. */
export function oneEvent(): Buffer {
  return Buffer.from(structured('00000000-', typeOf(0)))
}

/** A request to publish, of one event or several, which is written anew before each use. */
export class PublishRequest {
  readonly events: number
  readonly #bytes: Buffer
  readonly #places: readonly { readonly id: number; readonly stamp: number; readonly type: number }[]
  readonly #ids: IdCounter
  readonly #types: number

  /** Its events are of `types` types, one after the other. */
  constructor(port: number, events: number, types: number, ids: IdCounter) {
    const one = structured(ids.prefix, typeOf(0))
    const body = events === 1 ? one : `[${Array(events).fill(one).join(',')}]`
    const kind = events === 1 ? 'cloudevents' : 'cloudevents-batch'
    const head = [
      'POST /v1/topics/bench/events HTTP/1.1',
      `host: 127.0.0.1:${port}`,
      `content-type: application/${kind}+json`,
      `content-length: ${body.length}`,
      '\r\n',
    ].join('\r\n')
    const first = head.length + (events === 1 ? 0 : 1)
    const places = {
      id: one.indexOf(ids.prefix) + ids.prefix.length,
      stamp: stampPlace(one),
      type: one.indexOf(typeOf(0)),
    }
    this.events = events
    this.#ids = ids
    this.#types = types
    this.#bytes = Buffer.from(head + body)
    this.#places = Array.from({ length: events }, (_, i) => {
      const at = first + i * (one.length + 1)
      return { id: at + places.id, stamp: at + places.stamp, type: at + places.type }
    })
  }

  /** `number` is that of its first event. Good until the next call. */
  renew(number: number, stamp?: number): Buffer {
    let next = number
    for (const { id, stamp: stampAt, type } of this.#places) {
      this.#ids.write(this.#bytes, id)
      if (this.#types > 1) this.#bytes.write(typeOf(next++ % this.#types), type, 'latin1')
      if (stamp !== undefined) writeStamp(this.#bytes, stampAt, stamp)
    }
    return this.#bytes
  }
}
