import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsListener } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TlsOptions } from 'node:tls'

export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Names as they came, each before its value. */
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  /** Which connection brought it, from 1 on. */
  readonly connection: number
}

/** Answers one request; what it leaves unanswered hangs. */
export type Script = (request: ReceivedRequest, response: ServerResponse, socket: Socket) => unknown

export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Uint8Array
}

/** A script that answers at once. */
export function answer({ status = 200, headers = {}, body = '' }: Answer = {}): Script {
  return (_, response) => response.writeHead(status, headers as Record<string, string>).end(body)
}

export const hang: Script = () => {}

/** Ends the connection with a reset. */
export const reset: Script = (_, __, socket) => socket.resetAndDestroy()

/** These bytes in place of an answer. The connection stays open. */
export function raw(...pieces: readonly (string | Uint8Array)[]): Script {
  return (_, __, socket) => {
    for (const piece of pieces) socket.write(piece)
  }
}

/** A head, then one piece every few milliseconds until the connection ends. */
export function drip(head: string, piece: string | Uint8Array, everyMs: number): Script {
  return (_, __, socket) => {
    socket.write(head)
    const timer = setInterval(() => socket.write(piece), everyMs)
    socket.once('close', () => clearInterval(timer))
  }
}

/** A real endpoint on loopback that records what it is sent, and does to each request what its script says. */
export class Receiver {
  readonly requests: ReceivedRequest[] = []
  /** Where a path has no script of its own. */
  script: Script = answer()
  readonly scripts = new Map<string, Script>()
  #connections = 0
  readonly #sockets = new Map<Socket, number>()
  readonly #server: ReturnType<typeof createServer> | ReturnType<typeof createTlsListener>
  readonly #secure: boolean
  #arrived = Promise.withResolvers<void>()

  private constructor(tls: TlsOptions | undefined) {
    const handle = (incoming: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', () => {})
      incoming.on('end', () => this.#receive(incoming, Buffer.concat(chunks), response))
    }
    this.#secure = tls !== undefined
    this.#server = tls === undefined ? createServer(handle) : createTlsListener(tls, handle)
    // Its own keep-alive must not end what a test measures.
    this.#server.keepAliveTimeout = 60_000
    this.#server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.#sockets.set(socket, ++this.#connections)
      socket.on('error', () => {})
      socket.once('close', () => this.#sockets.delete(socket))
    })
    this.#server.on('tlsClientError', () => {})
  }

  /** Listens on a free port, or on `port`. */
  static async start(options: { host?: string; port?: number; tls?: TlsOptions } = {}): Promise<Receiver> {
    const receiver = new Receiver(options.tls)
    receiver.#server.listen(options.port ?? 0, options.host ?? '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Without a path. */
  get url(): string {
    const { address, family } = this.#server.address() as AddressInfo
    return `${this.#secure ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${this.port}`
  }

  /** How many connections were made, open or not. */
  get connections(): number {
    return this.#connections
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  /** Waits until so many requests came. */
  async received(count: number): Promise<void> {
    while (this.requests.length < count) await this.#arrived.promise
  }

  /** Ends every connection with a reset. */
  resetConnections(): void {
    for (const socket of this.#sockets.keys()) socket.resetAndDestroy()
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets.keys()) socket.destroy()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  #receive(incoming: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const { method = '', url: path = '', headers, rawHeaders, socket } = incoming
    const connection = this.#sockets.get(socket) ?? 0
    const request = { method, path, headers, rawHeaders, body, connection }
    this.requests.push(request)
    const script = this.scripts.get(path) ?? this.script
    script(request, response, socket)
    this.#arrived.resolve()
    this.#arrived = Promise.withResolvers<void>()
  }
}
