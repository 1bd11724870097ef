import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { GatewayError } from '../../../src/core/errors.ts'
import { closed, DamageError, type Failure, fromFailure } from '../errors.ts'

/** What a thread is given to talk to this one. */
export interface ThreadData<Options> {
  readonly port: MessagePort
  /** Counts what was sent, and is waited on: waking a thread this way is quicker than its event loop. */
  readonly signal: SharedArrayBuffer
  readonly options: Options
}

/** What a thread says: that it is ready or why not, the answers to the oldest calls, or something of its own accord. */
export type Said =
  | { readonly ready: unknown }
  | { readonly failure: Failure }
  | { readonly event: unknown }
  | readonly Answer[]
export type Answer = { readonly value: unknown } | { readonly failure: Failure }

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: GatewayError) => void
}

/** Calls to a thread, answered in their order. */
export class Channel {
  readonly #worker: Worker
  readonly #port: MessagePort
  readonly #signal: Int32Array<SharedArrayBuffer>
  readonly #ready: Waiting
  readonly #ended: Promise<void>
  #waiting: Waiting[] = []
  #answered = 0
  #state: 'open' | 'closing' | 'dead' = 'open'
  #fault: unknown
  /** The first that the thread reported. */
  #damage: DamageError | undefined
  onEvent: (event: unknown) => void = () => {}

  /** Starts the thread; rejects with what it says where it cannot begin. Resolves with what it says when it is ready. */
  static open(script: URL, options: unknown): Promise<{ channel: Channel; ready: unknown }> {
    return new Promise((resolve, reject) => {
      const channel: Channel = new Channel(script, options, {
        resolve: (ready) => resolve({ channel, ready }),
        reject,
      })
    })
  }

  private constructor(script: URL, options: unknown, ready: Waiting) {
    const { port1, port2 } = new MessageChannel()
    const signal = new SharedArrayBuffer(4)
    this.#ready = ready
    this.#port = port1
    this.#signal = new Int32Array(signal)
    const workerData: ThreadData<unknown> = { port: port2, signal, options }
    this.#worker = new Worker(script, { workerData, transferList: [port2] })
    this.#worker.on('error', (error) => {
      this.#fault = error
    })
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        // What it said last may not have been heard yet: its exit comes another way than its words.
        for (let said = receiveMessageOnPort(port1); said !== undefined; said = receiveMessageOnPort(port1)) {
          this.#hear(said.message as Said)
        }
        this.#end()
        resolve()
      })
    })
    port1.on('message', (said: Said) => this.#hear(said))
  }

  /** Why calls fail: the thread has died, or some of them found damage. */
  get fault(): GatewayError | undefined {
    return this.#state === 'dead' ? this.#died('unavailable') : this.#damage
  }

  call(message: unknown, transfer?: ArrayBuffer): Promise<unknown> {
    if (this.#state === 'dead') return Promise.reject(this.#died('unavailable'))
    if (this.#state === 'closing') return Promise.reject(closed())
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === this.#answered) this.#port.ref()
      this.#waiting.push({ resolve, reject })
      this.#send(message, transfer)
    })
  }

  /** Every call before is answered. Resolves when the thread has ended; calling it again is harmless. */
  async close(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'closing'
      this.#worker.ref()
      this.#send(null)
    }
    await this.#ended
  }

  #send(message: unknown, transfer?: ArrayBuffer): void {
    this.#port.postMessage(message, transfer === undefined ? [] : [transfer])
    Atomics.add(this.#signal, 0, 1)
    Atomics.notify(this.#signal, 0)
  }

  #hear(said: Said): void {
    if (Array.isArray(said)) {
      for (const answer of said as readonly Answer[]) this.#answer(answer)
    } else if ('event' in said) {
      this.onEvent(said.event)
    } else if ('ready' in said) {
      // From here on neither an idle thread nor its port keep the process alive.
      this.#worker.unref()
      this.#port.unref()
      this.#ready.resolve(said.ready)
    } else if ('failure' in said) {
      this.#ready.reject(fromFailure(said.failure))
    }
  }

  #answer(answer: Answer): void {
    const waiting = this.#waiting[this.#answered++]!
    if (this.#answered === this.#waiting.length) {
      this.#waiting = []
      this.#answered = 0
      this.#port.unref()
    } else if (this.#answered === 1024) {
      this.#waiting = this.#waiting.slice(1024)
      this.#answered = 0
    }
    if ('failure' in answer) {
      const error = fromFailure(answer.failure)
      if (error instanceof DamageError) this.#damage ??= error
      waiting.reject(error)
    } else {
      waiting.resolve(answer.value)
    }
  }

  #end(): void {
    const expected = this.#state === 'closing'
    this.#state = 'dead'
    const error = expected ? closed() : this.#died('unknown_outcome')
    this.#ready.reject(error)
    const waiting = this.#waiting.slice(this.#answered)
    this.#waiting = []
    this.#answered = 0
    for (const { reject } of waiting) reject(error)
    this.#port.close()
  }

  #died(code: 'unavailable' | 'unknown_outcome'): GatewayError {
    const detail = 'A thread of the embedded broker has ended unexpectedly; restart the gateway.'
    return new GatewayError(code, detail, { cause: this.#fault })
  }
}
