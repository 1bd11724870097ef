import type { AttemptResult } from '../core/delivery.ts'
import type { Outgoing } from '../core/sender.ts'
import { carriedContext, pushContext } from './carried.ts'
import { writeContent } from './content.ts'
import { excerpt, spelled } from './excerpt.ts'
import { type Bounds, Exchange } from './exchange.ts'
import { Failure } from './failure.ts'
import type { Prepared } from './prepared.ts'
import { retryAfterMs } from './retry-after.ts'

/** One signed POST of a delivery. */
export class Attempt extends Exchange {
  readonly path: string
  headers: string[] = []
  body: Uint8Array | null = null
  readonly #prepared: Prepared
  readonly #token: string | undefined
  readonly #at: number
  readonly #resolve: (result: AttemptResult) => void

  constructor(
    bounds: Bounds,
    signal: AbortSignal,
    timeoutMs: number,
    prepared: Prepared,
    token: string | undefined,
    at: number,
    resolve: (result: AttemptResult) => void,
  ) {
    super(bounds, signal, timeoutMs, token === undefined ? prepared.keep : prepared.keep + 2 * token.length)
    this.path = prepared.target.path
    this.#prepared = prepared
    this.#token = token
    this.#at = at
    this.#resolve = resolve
  }

  /** Makes headers and body, signed as of `now`. False where that cannot be, and then it has failed. */
  write(outgoing: Outgoing, now: number): boolean {
    try {
      return this.#write(outgoing, now)
    } catch {
      // What was stored cannot be read.
      return this.#refuse('The event could not be made into a request.')
    }
  }

  #write({ subscription, id, attempt, replay, parcel, trace }: Outgoing, now: number): boolean {
    // It would not be clear where the id ends in what is signed.
    if (id.includes('.')) return this.#refuse('The id of a delivery must not hold a dot.')
    const headers = this.#prepared.headers.slice()
    this.body = writeContent(subscription.mode, parcel, headers)
    const timestamp = String(Math.floor(now / 1000))
    const signature = this.#prepared.signer.sign(id, timestamp, this.body, now)
    if (signature === '') return this.#refuse('No secret of the subscription is valid any more.')
    headers.push('webhook-id', id, 'webhook-timestamp', timestamp, 'webhook-signature', signature)
    headers.push('webhook-attempt', String(attempt))
    if (replay !== undefined) headers.push('webhook-replay', replay)
    const context = trace ?? carriedContext(parcel)
    if (context !== undefined) pushContext(context, headers)
    if (this.#token !== undefined) headers.push('authorization', `Bearer ${this.#token}`)
    this.headers = headers
    return true
  }

  #refuse(sentence: string): false {
    this.fail(new Failure('gateway', sentence))
    return false
  }

  protected finish(): void {
    const durationMs = performance.now() - this.started
    if (this.status === 0) this.#resolve(failed(this.#at, durationMs, this.failure!))
    else this.#resolve(this.#answered(durationMs))
  }

  #answered(durationMs: number): AttemptResult {
    const { status } = this
    const { confidential } = this.#prepared
    const secrets = this.#token === undefined ? confidential : spelled([...confidential, this.#token])
    const body = excerpt(this.kept, secrets)
    const answer = { at: this.#at, durationMs, status, ...(body !== '' && { body }) }
    if (status < 300) return answer
    const redirect = status < 400 ? ': redirects are not followed' : ''
    const wait = retryAfterMs(this.answerHeaders!['retry-after'], this.#at + durationMs)
    return {
      ...answer,
      error: `The endpoint answered ${status}${redirect}.`,
      stage: 'response',
      ...(wait !== undefined && { retryAfterMs: wait }),
    }
  }
}

/** The result of an attempt without an answer. */
export function failed(at: number, durationMs: number, { message, stage }: Failure): AttemptResult {
  return { at, durationMs, error: message, stage }
}
