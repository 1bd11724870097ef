import type { ConsumerConfig } from '@nats-io/jetstream'
import { nuid } from '@nats-io/transport-node'
import { unlessAborted } from '../../src/core/index.ts'
import { type NatsClient, pause } from './client.ts'
import { Requests } from './consume/requests.ts'
import type { StoredMessage } from './event.ts'
import { storedMessage } from './message.ts'

const nanos = 1e6
const pageEvents = 256
const pageBytes = 512 << 10
const followWaitMs = 1000
const retryMs = 100
/** A reader that is silent for so long loses its place at the server, and gets another one when it goes on. */
const idleMs = 60_000

export interface Place {
  readonly stream: string
  readonly filters: readonly string[]
  /** The first sequence. */
  readonly from: number
  readonly follow: boolean
  readonly signal: AbortSignal
  /** How many are wanted in all. */
  readonly limit: number
}

/**
 * The messages of a stream, page by page, in order and without a gap; an empty page says that there was no more just now.
 * It goes on for ever: whoever reads knows where to stop. Ends when the signal aborts. The next page is asked for when it
 * is wanted.
 */
export async function* readPages(client: NatsClient, place: Place): AsyncGenerator<StoredMessage[]> {
  const { stream, follow, signal, limit } = place
  let from = place.from
  while (!signal.aborted) {
    const consumer = await make(client, place, from)
    const requests = new Requests(client, stream, consumer)
    let next = 1
    try {
      for (let isWhole = true; isWhole && !signal.aborted; ) {
        const page: StoredMessage[] = []
        const ask = {
          batch: Math.min(pageEvents, limit),
          maxBytes: Math.max(pageBytes, client.server.max_payload + pageBytes),
          waitMs: follow ? followWaitMs : 0,
        }
        const asking = requests.ask(ask, (message, ticket) => {
          // What was lost on the way is read again, by another consumer.
          isWhole &&= ticket.delivery === next
          next++
          if (isWhole) page.push(storedMessage(message, ticket))
        })
        const answer = await unlessAborted(asking, signal)
        if (answer === undefined) return
        if (answer.end !== 'done') isWhole = false
        if (page.length > 0) from = page.at(-1)!.seq + 1
        if (page.length > 0 || isWhole) yield page
      }
    } finally {
      if (!client.closed) void client.ask(`CONSUMER.DELETE.${stream}.${consumer}`).catch(() => undefined)
    }
    await pause(retryMs, signal)
  }
}

async function make(client: NatsClient, { stream, filters }: Place, from: number): Promise<string> {
  const name = nuid.next()
  const config: Partial<ConsumerConfig> = {
    name,
    ack_policy: 'none',
    deliver_policy: 'by_start_sequence',
    opt_start_seq: from,
    filter_subjects: [...filters],
    inactive_threshold: idleMs * nanos,
    mem_storage: true,
    num_replicas: 1,
  }
  await client.api(`CONSUMER.CREATE.${stream}.${name}`, 'the read', { stream_name: stream, action: 'create', config })
  return name
}
