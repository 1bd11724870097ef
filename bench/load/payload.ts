import { eventBytes, type Job } from './job.ts'

/** JSON with the mixture of a usual event (short members, numbers, a list, a longer text), padded to `bytes`. */
export function order(bytes: number): string {
  const items = [1, 2, 3, 4].map((n) => ({ sku: `SKU-00${n}-BLUE`, quantity: n, price: 19.99 * n, taxed: n % 2 === 0 }))
  const value = {
    orderId: 'ord_01JD4Z8Q4M7V2K',
    customer: { id: 48213, name: 'Ada Lovelace', email: 'ada@example.com', address: ['12 Some Street', 'London'] },
    items,
    total: 199.9,
    currency: 'EUR',
    paid: true,
    coupon: null,
    note: '',
  }
  value.note = 'Leave it with the neighbour, please. '.repeat(40).slice(0, bytes - JSON.stringify(value).length)
  return JSON.stringify(value)
}

const idDigits = 12

function structured(prefix: string): string {
  const id = `${prefix}${'0'.repeat(idDigits)}`
  const head = `{"specversion":"1.0","id":"${id}","source":"/bench/orders","type":"com.example.order.placed",`
  const middle = '"time":"2026-01-01T12:00:00.000Z","datacontenttype":"application/json","data":'
  return `${head}${middle}${order(eventBytes - head.length - middle.length - 1)}}`
}

/** Several structured events in one buffer whose ids are written anew before each use: every id is used once. */
export class EventBlock {
  readonly bytes: Buffer
  readonly count: number
  readonly #places: readonly number[]
  readonly #ids: IdCounter

  constructor(before: string, between: string, after: string, count: number, ids: IdCounter) {
    const event = structured(ids.prefix)
    const idAt = event.indexOf(ids.prefix) + ids.prefix.length
    this.bytes = Buffer.from(before + Array(count).fill(event).join(between) + after)
    this.count = count
    this.#ids = ids
    this.#places = Array.from({ length: count }, (_, i) => before.length + i * (event.length + between.length) + idAt)
  }

  renew(): Buffer {
    for (const place of this.#places) this.#ids.write(this.bytes, place)
    return this.bytes
  }
}

/** Ids that no other job of any run uses. */
export class IdCounter {
  readonly prefix = `${crypto.randomUUID().slice(0, 8)}-`
  #next = 0

  /** By hand: this runs once an event, and text would be garbage. */
  write(into: Buffer, at: number): void {
    let rest = this.#next++
    for (let i = at + idDigits - 1; i >= at; i--) {
      into[i] = 0x30 + (rest % 10)
      rest = Math.floor(rest / 10)
    }
  }
}

const path = '/v1/topics/bench/events'

function head(job: Job, method: string, target: string, headers: readonly string[]): string {
  const auth = job.token === undefined ? [] : [`authorization: Bearer ${job.token}`]
  return [`${method} ${target} HTTP/1.1`, `host: 127.0.0.1:${job.port}`, ...auth, ...headers, '', ''].join('\r\n')
}

export function eventRequest(job: Job): Buffer {
  const headers = ['content-type: application/json', `content-length: ${eventBytes}`]
  return Buffer.from(head(job, 'POST', path, headers) + order(eventBytes))
}

export function batchRequest(job: Job, size: number, ids: IdCounter): EventBlock {
  const length = size * eventBytes + (size - 1) + 2
  const headers = ['content-type: application/cloudevents-batch+json', `content-length: ${length}`]
  return new EventBlock(`${head(job, 'POST', path, headers)}[`, ',', ']', size, ids)
}

export function streamHead(job: Job): string {
  return head(job, 'POST', path, ['content-type: application/x-ndjson', 'transfer-encoding: chunked'])
}

/** One HTTP chunk of lines. */
export function streamChunk(lines: number, ids: IdCounter): EventBlock {
  const size = (lines * (eventBytes + 1)).toString(16)
  return new EventBlock(`${size}\r\n`, '\n', '\n\r\n', lines, ids)
}

export const streamEnd = '0\r\n\r\n'

export function jsonRequest(job: Job, target: string, body: string): string {
  const headers = ['content-type: application/json', `content-length: ${body.length}`]
  return head(job, 'POST', target, headers) + body
}

export function readRequest(job: Job, target: string): string {
  return head(job, 'GET', target, ['accept: application/x-ndjson'])
}
