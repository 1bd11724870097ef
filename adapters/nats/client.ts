import {
  createInbox,
  errors,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type ServerInfo,
} from '@nats-io/transport-node'
import { GatewayError, unlessAborted } from '../../src/core/index.ts'
import type { Config } from './config.ts'
import { dial } from './connection.ts'
import { ApiError, closed, isForbidden, isNoResponders, isTransient, translate } from './errors.ts'

const reconnectMs = 250
const jitterMs = 250
/** Credentials that were refused are not offered again at once. */
const refusedMs = 5000
const firstPauseMs = 50
const longestPauseMs = 500
const noResponders = 503

/** The connection ended while an answer was awaited: whether the request was heard is not known. */
export class Interrupted extends Error {}
/** There is no connection: nothing was sent. */
class Unsent extends Error {}

type Answered = (answer: Msg | Error) => void

/**
 * One connection, and the requests over it. Answers come on one subscription; whoever waits for one is told when the
 * connection ends, and is to say then what that means.
 */
export class NatsClient {
  readonly #inbox = createInbox()
  readonly #timeoutMs: number
  readonly #waiting = new Map<string, { readonly subject: string; readonly answered: Answered }>()
  readonly #listeners = new Set<() => void>()
  #connection!: NatsConnection
  #next = 0
  #isUp = true
  #isClosed = false
  #refused: Error | undefined
  /** Why no answer can come. */
  #deaf: Error | undefined
  #up = Promise.withResolvers<void>()
  #server!: ServerInfo

  private constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  static async connect(config: Config): Promise<NatsClient> {
    const client = new NatsClient(config.requestTimeout)
    client.#connection = await dial(config, () => client.#delay())
    client.#server = client.#connection.info!
    client.#up.resolve()
    client.#listen()
    void client.#watch()
    return client
  }

  /** What the server said of itself when it was last connected to. */
  get server(): ServerInfo {
    this.#server = this.#connection.info ?? this.#server
    return this.#server
  }

  get closed(): boolean {
    return this.#isClosed
  }

  /** A subject of this connection's own, for what comes as more than one message; none of it says where it came. */
  subscribe(callback: (message: Msg) => void): { readonly inbox: string; stop(): void } {
    const inbox = createInbox()
    const subscription = this.#connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error === null) callback(message)
      },
    })
    return { inbox, stop: () => this.#isClosed || subscription.unsubscribe() }
  }

  /** Calls back whenever the connection has ended or is there again. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Throws `Unsent` where there is no connection. */
  post(subject: string, payload: Uint8Array | string, options: { reply?: string; headers?: MsgHdrs } = {}): void {
    if (this.#isClosed) throw closed()
    if (!this.#isUp) throw new Unsent('There is no connection to NATS.')
    this.#connection.publish(subject, payload, options)
  }

  /**
   * Sends, and calls `answered` once: with the answer, or with why there is none. Gives what forgets it. Throws `Unsent`
   * where there is no connection.
   */
  send(subject: string, payload: Uint8Array | string, headers: MsgHdrs | undefined, answered: Answered): () => void {
    if (this.#deaf !== undefined) throw this.explain(this.#deaf, 'every request')
    const token = (this.#next++).toString(36)
    this.post(subject, payload, { reply: `${this.#inbox}.${token}`, ...(headers !== undefined && { headers }) })
    this.#waiting.set(token, { subject, answered })
    return () => this.#waiting.delete(token)
  }

  /** One request, tried once. */
  request(
    subject: string,
    payload: Uint8Array | string = '',
    headers?: MsgHdrs,
    timeoutMs = this.#timeoutMs,
  ): Promise<Msg> {
    return new Promise((resolve, reject) => {
      const forget = this.send(subject, payload, headers, (answer) => {
        clearTimeout(timer)
        if (answer instanceof Error) reject(answer)
        else resolve(answer)
      })
      const timer = setTimeout(() => {
        forget()
        reject(new errors.TimeoutError())
      }, timeoutMs)
    })
  }

  /** One request to JetStream's API, tried once. Rejects with `ApiError` where it refuses. */
  async ask<T>(name: string, body?: object, timeoutMs?: number): Promise<T> {
    const payload = body === undefined ? '' : JSON.stringify(body)
    const answer = (await this.request(`$JS.API.${name}`, payload, undefined, timeoutMs)).json<T & { error?: object }>()
    if (answer.error === undefined) return answer
    throw new ApiError(answer.error as ConstructorParameters<typeof ApiError>[0])
  }

  /**
   * A request to JetStream's API, tried until it works, until the error is for good, or until time is up; then it throws
   * the last error, translated.
   */
  api<T>(name: string, doing: string, body?: object): Promise<T> {
    return this.retry(doing, () => this.ask<T>(name, body))
  }

  async retry<T>(doing: string, attempt: () => Promise<T>, deadlineMs = 2 * this.#timeoutMs): Promise<T> {
    const end = Date.now() + deadlineMs
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        return await attempt()
      } catch (error) {
        if (this.#isClosed) throw closed()
        if (!isTransient(error) || Date.now() + pauseMs > end) throw this.explain(error, doing)
      }
      await pause(pauseMs)
    }
  }

  /** What was thrown, as the gateway's error; where the connection is refused, that. */
  explain(error: unknown, doing: string): GatewayError {
    return translate(error instanceof Unsent && this.#refused !== undefined ? this.#refused : error, doing)
  }

  /** Resolves once there is a connection; throws where there is none until `signal` aborts. */
  async untilUp(signal: AbortSignal): Promise<void> {
    while (!this.#isUp) {
      await unlessAborted(this.#up.promise, signal)
      if (this.#isClosed) throw closed()
      if (signal.aborted) throw new Unsent('There is no connection to NATS.')
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#lose(closed())
    this.#up.resolve()
    this.#tell()
    await this.#connection.close()
  }

  #listen(): void {
    this.#deaf = undefined
    this.#connection.subscribe(`${this.#inbox}.*`, { callback: (error, message) => this.#hear(error, message) })
  }

  #hear(error: Error | null, message: Msg): void {
    if (error !== null) {
      // The library has ended the subscription.
      this.#deaf = error
      this.#lose(error)
      return
    }
    const token = message.subject.slice(this.#inbox.length + 1)
    const waiting = this.#waiting.get(token)
    if (waiting === undefined) return
    this.#waiting.delete(token)
    const isNobody = message.data.length === 0 && message.headers?.code === noResponders
    waiting.answered(isNobody ? new errors.NoRespondersError(waiting.subject) : message)
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === 'disconnect' && this.#isUp) {
        this.#isUp = false
        this.#up = Promise.withResolvers()
        this.#lose(new Interrupted('The connection to NATS ended.'))
        this.#tell()
      } else if (status.type === 'reconnect') {
        this.#isUp = true
        this.#refused = undefined
        if (this.#deaf !== undefined) this.#listen()
        this.#up.resolve()
        this.#tell()
      } else if (status.type === 'error') this.#note(status.error)
    }
  }

  #note(error: Error): void {
    if (error instanceof errors.PermissionViolationError) {
      for (const [token, { subject, answered }] of this.#waiting) {
        if (subject !== error.subject) continue
        this.#waiting.delete(token)
        answered(error)
      }
    } else if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
      this.#refused = error
    }
  }

  #lose(error: Error): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { answered } of waiting) answered(error)
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  #delay(): number {
    return this.#refused === undefined ? reconnectMs + Math.random() * jitterMs : refusedMs
  }
}

/** Whether nothing of a request can have been done. */
export function isUndone(error: unknown): boolean {
  return error instanceof Unsent || error instanceof GatewayError || isForbidden(error) || isNoResponders(error)
}

export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done, { once: true })
  })
}
