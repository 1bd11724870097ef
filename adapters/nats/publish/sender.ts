import type { Msg } from '@nats-io/transport-node'
import { GatewayError, unlessAborted } from '../../../src/core/index.ts'
import { Interrupted, isUndone, type NatsClient, pause } from '../client.ts'
import { type HeaderRecord, toHeaders } from '../codec.ts'
import { ApiError, isApiError, isNoResponders, numbers } from '../errors.ts'
import type { Streams, Topic } from '../streams.ts'
import type { Call } from './call.ts'

const firstPauseMs = 20
const longestPauseMs = 500
const tooMany = 429

/** JetStream's acknowledgement. */
export interface PubAck {
  readonly stream: string
  readonly seq: number
  readonly duplicate?: boolean
  readonly error?: ConstructorParameters<typeof ApiError>[0]
}

export type Verdict =
  /** `again`: an earlier attempt of this publish may have been heard. */
  | { readonly status: 'stored'; readonly ack: PubAck; readonly again: boolean }
  | { readonly status: 'failed' | 'unknown'; readonly error: GatewayError }
  /** JetStream refused it for a reason that the caller deals with; nothing was stored. */
  | { readonly status: 'refused'; readonly number: number; readonly again: boolean }

/** What is published as one: the messages before the last are not acknowledged. */
export interface Parcel {
  readonly before: readonly { readonly subject: string; readonly headers: HeaderRecord; readonly data: Uint8Array }[]
  readonly subject: string
  readonly headers: HeaderRecord
  readonly data: Uint8Array
}

/** Publishes until it is acknowledged. */
export class Sender {
  readonly #client: NatsClient
  readonly #streams: Streams
  readonly #timeoutMs: number

  constructor(client: NatsClient, streams: Streams, timeoutMs: number) {
    this.#client = client
    this.#streams = streams
    this.#timeoutMs = timeoutMs
  }

  /**
   * `make` gives what is sent, anew for each attempt. `repeatable` says that the server knows it again, so that it may be
   * sent again when an answer is missing. `mine` are refusals that the caller deals with. Never rejects.
   */
  async publish(
    { name }: Topic,
    make: () => Parcel,
    call: Call,
    repeatable: boolean,
    mine: readonly number[] = [],
  ): Promise<Verdict> {
    let perhaps = false
    /** So may be the event by an earlier publish of it, which is still in process. */
    let isOpen = false
    let reason: GatewayError | undefined
    for (let pauseMs = firstPauseMs; !call.isOver; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        await this.#client.untilUp(call.signal)
        const ack = await this.#attempt(make(), call, repeatable)
        if (ack.error === undefined) return { status: 'stored', ack, again: perhaps }
        throw new ApiError(ack.error)
      } catch (error) {
        if (isApiError(error, ...mine)) return { status: 'refused', number: error.number, again: perhaps }
        const isAnswer = error instanceof ApiError
        perhaps ||= !isAnswer && !isUndone(error)
        isOpen ||= perhaps || isApiError(error, numbers.duplicateInProcess)
        reason = this.#client.explain(error, 'the publish')
        if (this.#client.closed || (perhaps && !repeatable)) break
        if (isAnswer && !passes(error)) return { status: isOpen ? 'unknown' : 'failed', error: reason }
        if (!isAnswer && reason.code !== 'unavailable') break
        if (isNoResponders(error)) {
          const missing = await unlessAborted(this.#missing(name), call.signal)
          if (missing !== undefined) return { status: isOpen ? 'unknown' : 'failed', error: missing }
        }
      }
      await pause(pauseMs, call.signal)
    }
    if (isOpen) return { status: 'unknown', error: unknown(reason) }
    const over = new GatewayError('unavailable', 'NATS did not take the event in time; nothing was stored.', {
      retryAfterMs: 1000,
    })
    return { status: 'failed', error: reason ?? over }
  }

  #attempt({ before, subject, headers, data }: Parcel, call: Call, repeatable: boolean): Promise<PubAck> {
    return new Promise((resolve, reject) => {
      let timer: ReturnType<typeof setTimeout> | undefined
      const finish = () => {
        clearTimeout(timer)
        stay()
      }
      const answered = (answer: Msg | Error): void => {
        finish()
        if (answer instanceof Error) reject(answer)
        else resolve(answer.json<PubAck>())
      }
      let forget: () => void = () => undefined
      const giveUp = (why: string) => () => {
        forget()
        finish()
        reject(new Interrupted(why))
      }
      const stay = call.onEnd(giveUp('The time was over.'))
      try {
        for (const one of before) this.#client.post(one.subject, one.data, { headers: toHeaders(one.headers) })
        forget = this.#client.send(subject, data, toHeaders(headers), answered)
      } catch (error) {
        finish()
        reject(error)
        return
      }
      // Whoever led the stream may have died with it.
      if (repeatable) timer = setTimeout(giveUp('The server did not answer.'), this.#timeoutMs)
    })
  }

  /** Why nobody takes it, where the stream is not there; undefined where it only has no leader now. */
  async #missing(topic: string): Promise<GatewayError | undefined> {
    try {
      await this.#streams.fresh(topic)
      return undefined
    } catch (error) {
      return error instanceof GatewayError && error.code !== 'unavailable' ? error : undefined
    }
  }
}

/** Whether what JetStream refused may be taken when it is sent again. */
function passes(error: ApiError): boolean {
  return error.number === numbers.duplicateInProcess || error.status === tooMany
}

export function unknown(reason: GatewayError | undefined): GatewayError {
  const detail = 'NATS did not answer; it may have stored the event. Publish it again with the same id.'
  return new GatewayError('unknown_outcome', detail, { cause: reason })
}
