import type { Msg } from '@nats-io/transport-node'
import type { NatsClient } from '../client.ts'
import { readTicket, type Ticket } from '../message.ts'

/** How a request for messages ended. */
type End =
  /** It got what it asked for, or the server said that there is no more for now. */
  | 'done'
  /** The consumer is gone, or another one has its name. */
  | 'deleted'
  /** Somebody else is the one to be given messages. */
  | 'unpinned'
  /** Nobody listens: the consumer is gone, or has nobody who leads it just now. */
  | 'nobody'
  /** The server, or whoever leads the consumer, does not answer now. */
  | 'lost'

export interface Answer {
  readonly messages: number
  readonly end: End
}

export interface Ask {
  readonly batch: number
  readonly maxBytes: number
  /** The server holds the request for so long until there is a message; 0 for not at all. */
  readonly waitMs: number
  /** For a consumer with a pinned client: the group, and the pin that was got before. */
  readonly pin?: { readonly group: string; readonly id: string | undefined }
}

type OnMessage = (message: Msg, ticket: Ticket) => void

const nanos = 1e6
/** Of what was asked for, how much does not come. */
const pendingHeader = 'Nats-Pending-Messages'
/** A server that says nothing for so long after the end of a request will say nothing more. */
const graceMs = 1000

/** The requests for messages of one consumer. Each ends by itself, soon after its time is up. */
export class Requests {
  readonly #client: NatsClient
  readonly #subject: string

  constructor(client: NatsClient, stream: string, consumer: string) {
    this.#client = client
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`
  }

  /** Calls `onMessage` for each message, and resolves when no more come of this request. Never rejects. */
  ask({ batch, maxBytes, waitMs, pin }: Ask, onMessage: OnMessage): Promise<Answer> {
    return new Promise((resolve) => {
      let count = 0
      let due = batch
      let ending: End = 'done'
      const end = (how: End): void => {
        clearTimeout(timer)
        unwatch()
        subscription.stop()
        resolve({ messages: count, end: how })
      }
      const endIfAll = (): void => {
        if (count >= due) end(ending)
      }
      const subscription = this.#client.subscribe((message) => {
        const ticket = readTicket(message.reply ?? '')
        if (ticket === undefined) {
          const { headers } = message
          if (headers === undefined || headers.code < 400) return
          ending = endOf(headers.code, headers.description)
          // With replicas it overtakes messages: those are sent once a majority knows of their delivery.
          due = headers.has(pendingHeader) ? batch - Number(headers.get(pendingHeader)) : count
          endIfAll()
          return
        }
        count++
        onMessage(message, ticket)
        endIfAll()
      })
      const timer = setTimeout(() => end('lost'), waitMs + graceMs)
      const unwatch = this.#client.onChange(() => end('lost'))
      const body = {
        batch,
        max_bytes: maxBytes,
        no_wait: true,
        ...(waitMs > 0 && { expires: Math.round(waitMs * nanos) }),
        ...(pin !== undefined && { group: pin.group, ...(pin.id !== undefined && { id: pin.id }) }),
      }
      try {
        this.#client.post(this.#subject, JSON.stringify(body), { reply: subscription.inbox })
      } catch {
        end('lost')
      }
    })
  }
}

/** No messages (404), time is up (408), what the consumer or the request came to (409), wrong pin (423), nobody (503). */
function endOf(status: number, description: string): End {
  if (status === 404 || status === 408) return 'done'
  if (status === 423) return 'unpinned'
  if (status === 503) return 'nobody'
  if (status !== 409) return 'lost'
  if (/consumer deleted/i.test(description)) return 'deleted'
  return /max.?bytes|batch completed/i.test(description) ? 'done' : 'lost'
}
