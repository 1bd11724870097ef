import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** One attempt as its endpoint saw it. */
export interface Seen {
  readonly path: string
  /** The `webhook-id`. */
  readonly delivery: string
  readonly attempt: number
  readonly replay: string | undefined
  readonly event: string
  readonly key: string | undefined
  readonly at: number
  /** What was answered, and when; undefined where the gateway was gone before, or nothing ever was. */
  status?: number
  answeredAt?: number
}

interface Reply {
  readonly status: number
  readonly afterMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** What an endpoint answers to an attempt, given those that it saw of the same delivery before; `hang` is nothing. */
export type Behaviour = (seen: Seen, before: readonly Seen[]) => Reply | 'hang'

const ok: Behaviour = () => ({ status: 200 })

/** Endpoints on loopback, one a path, which outlive every gateway and remember all that they were sent. */
export class Endpoints {
  readonly #server = createServer((request, response) => this.#receive(request, response))
  readonly #behaviours = new Map<string, Behaviour>()
  readonly #seen = new Map<string, Seen[]>()
  readonly #byDelivery = new Map<string, Seen[]>()
  readonly #sockets = new Set<Socket>()
  total = 0

  static async start(): Promise<Endpoints> {
    const endpoints = new Endpoints()
    endpoints.#server.keepAliveTimeout = 60_000
    endpoints.#server.on('connection', (socket) => {
      endpoints.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => endpoints.#sockets.delete(socket))
    })
    endpoints.#server.listen(0, '127.0.0.1')
    await once(endpoints.#server, 'listening')
    return endpoints
  }

  urlOf(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`
  }

  /** From now on. */
  behave(path: string, behaviour: Behaviour): void {
    this.#behaviours.set(path, behaviour)
  }

  /** In the order in which they came. */
  seen(path: string): readonly Seen[] {
    return this.#seen.get(path) ?? []
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => undefined)
    request.on('end', () => {
      const path = request.url!
      const body = JSON.parse(Buffer.concat(chunks).toString()) as { id: string; partitionkey?: string }
      const header = (name: string): string | undefined => request.headers[name] as string | undefined
      const seen: Seen = {
        path,
        delivery: header('webhook-id')!,
        attempt: Number(header('webhook-attempt')),
        replay: header('webhook-replay'),
        event: body.id,
        key: body.partitionkey,
        at: performance.now(),
      }
      this.#answer(seen, response)
    })
  }

  #answer(seen: Seen, response: ServerResponse): void {
    const before = this.#of(this.#byDelivery, seen.delivery)
    const reply = (this.#behaviours.get(seen.path) ?? ok)(seen, before)
    before.push(seen)
    this.#of(this.#seen, seen.path).push(seen)
    this.total++
    if (reply === 'hang') return
    const answer = (): void => {
      if (response.destroyed) return
      seen.status = reply.status
      seen.answeredAt = performance.now()
      response.writeHead(reply.status, reply.headers).end()
    }
    if (reply.afterMs === undefined) answer()
    else setTimeout(answer, reply.afterMs)
  }

  #of(map: Map<string, Seen[]>, name: string): Seen[] {
    const known = map.get(name)
    if (known !== undefined) return known
    const made: Seen[] = []
    map.set(name, made)
    return made
  }
}
