import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Deadlines, Ending, Stops } from './deadlines.ts'
import { Failure, requestFailure } from './failure.ts'

/** What of an answer is read at all; the rest is never taken from the network. */
const maxBodyBytes = 16 << 10
/** How long an answer may go on after its head, which is what decides. */
const bodyMs = 1000
/** Interim answers (1xx) before the final one. */
const maxInterim = 8

export interface Bounds {
  readonly deadlines: Deadlines
  readonly stops: Stops
}

/** The connection that an exchange goes by. */
export interface Carrier {
  /** It may take another request. */
  release(): void
  /** It is not to be used again. */
  discard(): void
}

type Phase = 'resolve' | 'connect' | 'answer' | 'body'

const overdue: Readonly<Record<Exclude<Phase, 'body'>, string>> = {
  resolve: 'The host was not resolved in time.',
  connect: 'No connection was made in time.',
  answer: 'No answer came in time.',
}

/**
 * One request and the beginning of its answer, within bounds. It ends once: with a status, or with a failure. The head
 * decides: once it came, neither a body that is too long, too slow or broken nor the deadline makes a failure of it; the
 * connection is given up then.
 */
export abstract class Exchange implements Dispatcher.DispatchHandler, Ending {
  readonly method = 'POST'
  abstract readonly path: string
  abstract readonly headers: string[]
  abstract readonly body: Uint8Array | null
  readonly started = performance.now()
  deadline = 0
  peers: Set<Ending> | undefined
  connection: Carrier | undefined
  status = 0
  answerHeaders: IncomingHttpHeaders | undefined
  failure: Failure | undefined
  ended = false
  #phase: Phase = 'resolve'
  #interim = 0
  #received = 0
  #first: Buffer | undefined
  #more: Buffer[] | undefined
  readonly #keep: number
  readonly #bounds: Bounds
  readonly #signal: AbortSignal

  /** Keeps so many bytes of the answer. */
  constructor(bounds: Bounds, signal: AbortSignal, timeoutMs: number, keep: number) {
    this.#bounds = bounds
    this.#signal = signal
    this.#keep = Math.min(keep, maxBodyBytes)
    bounds.deadlines.set(this, timeoutMs, this.started)
    bounds.stops.join(signal, this)
  }

  /** Called once. */
  protected abstract finish(): void

  /** What was kept of the answer's body. */
  get kept(): Buffer {
    const first = this.#first ?? Buffer.alloc(0)
    const whole = this.#more === undefined ? first : Buffer.concat([first, ...this.#more])
    return whole.subarray(0, this.#keep)
  }

  /** Whether `kept` is all that was sent. */
  get whole(): boolean {
    return this.#received <= this.#keep
  }

  /** It goes by this connection, or by the next that is free. */
  begin(connection: Carrier | undefined): void {
    this.connection = connection
    this.#phase = 'connect'
  }

  fail(failure: Failure): void {
    this.failure = failure
    this.#end()
    this.connection?.discard()
  }

  expire(): void {
    if (this.#phase === 'body') this.#cut()
    else this.fail(new Failure('timeout', overdue[this.#phase]))
  }

  stop(): void {
    this.fail(new Failure('gateway', 'The gateway stopped the attempt.'))
  }

  onRequestStart(): void {
    this.#phase = 'answer'
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.ended) return
    if (status < 200) {
      if (++this.#interim > maxInterim) this.fail(new Failure('response', 'Only interim answers (1xx) came.'))
      return
    }
    this.status = status
    this.answerHeaders = headers
    this.#phase = 'body'
    const now = performance.now()
    if (now + bodyMs < this.deadline) this.#bounds.deadlines.set(this, bodyMs, now)
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.ended) return
    if (this.#first === undefined) this.#first = chunk
    else if (this.#received < this.#keep) {
      this.#more ??= []
      this.#more.push(chunk)
    }
    this.#received += chunk.length
    if (this.#received > maxBodyBytes) this.#cut()
  }

  onResponseEnd(): void {
    if (this.ended) return
    this.#end()
    this.connection!.release()
  }

  onResponseError(_: unknown, error: Error): void {
    if (this.ended) return
    if (this.#phase === 'body') this.#cut()
    else this.fail(requestFailure(error))
  }

  /** The head is enough. */
  #cut(): void {
    this.#end()
    this.connection!.discard()
  }

  #end(): void {
    if (this.ended) return
    this.ended = true
    this.#bounds.deadlines.clear(this)
    this.#bounds.stops.leave(this.#signal, this)
    this.finish()
  }
}
