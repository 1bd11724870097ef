import { connect, type Socket } from 'node:net'
import { type SecureContext, connect as secure, type TLSSocket } from 'node:tls'
import type { buildConnector } from 'undici'
import { connectFailure, Failure, tlsFailure } from './failure.ts'
import type { Target } from './target.ts'

/** Begins a connection to an address: never to a name, and so nothing is resolved again. */
export type Dialler = (address: string, port: number) => Socket

export const systemDialler: Dialler = (address, port) => connect({ host: address, port, autoSelectFamily: false })

/** From the first address to the end of the TLS handshake. */
const connectMs = 5000
/** A name with many addresses that do not answer is given up after so many. */
const maxTries = 4
/** Below it the kernel asks whether the other side is still there. */
const probeMs = 60_000

/** What a connection needs to know of where it leads. */
export interface Way {
  readonly target: Target
  /** Checked addresses. */
  readonly addresses: readonly string[]
  readonly dialler: Dialler
  /** What the address is, where it is not allowed. */
  refuse(address: string): string | undefined
  /** The gateway's own certificate, where the endpoint wants one. */
  readonly context: SecureContext | undefined
  /** Of an earlier connection, so that a handshake is short. */
  session: Buffer | undefined
}

/** Makes the connections of one client, one at a time. */
export class Link {
  readonly #way: Way
  #socket: Socket | undefined
  #address: string | undefined

  constructor(way: Way) {
    this.#way = way
  }

  /** Where the connection leads, once it is made. */
  get address(): string | undefined {
    return this.#address
  }

  /** Ends a connection that is being made. */
  abandon(): void {
    this.#socket?.destroy()
  }

  readonly connect: buildConnector.connector = (_, callback) => {
    this.#make().then(
      (socket) => callback(null, socket),
      (error) => callback(error, null),
    )
  }

  /** One address after the other; what is left of the time is shared by those that are left. */
  async #make(): Promise<Socket> {
    const addresses = this.#way.addresses.slice(0, maxTries)
    const end = performance.now() + connectMs
    let failure = new Failure('connect', 'There is no address to connect to.')
    for (const [at, address] of addresses.entries()) {
      // Whatever happened since the addresses were resolved.
      if (this.#way.refuse(address) !== undefined) throw new Failure('guard', `${address} is not allowed any more.`)
      const left = end - performance.now()
      if (left <= 0) break
      try {
        const socket = await this.#dial(address, left / (addresses.length - at))
        if (!this.#way.target.secure) return this.#made(socket, address)
        return this.#made(await this.#encrypt(socket, end - performance.now()), address)
      } catch (error) {
        failure = error as Failure
        if (failure.stage === 'tls') break
      }
    }
    throw failure
  }

  #made<S extends Socket>(socket: S, address: string): S {
    this.#address = address
    // Until the client listens.
    socket.on('error', () => {})
    return socket
  }

  #dial(address: string, ms: number): Promise<Socket> {
    const socket = this.#way.dialler(address, this.#way.target.port)
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setKeepAlive(true, probeMs)
    const late = new Failure('connect', 'The connection was not made in time.')
    return ready(socket, 'connect', ms, late, connectFailure)
  }

  #encrypt(plain: Socket, ms: number): Promise<TLSSocket> {
    const { target, context, session } = this.#way
    const socket = secure({
      socket: plain,
      host: target.host,
      // A name may be asked for, an address not (RFC 6066, section 3).
      ...(target.literal ? {} : { servername: target.host.replace(/\.$/, '') }),
      ALPNProtocols: ['http/1.1'],
      // Whatever the environment says.
      rejectUnauthorized: true,
      ...(context && { secureContext: context }),
      ...(session && { session }),
    })
    this.#socket = socket
    socket.on('session', (next: Buffer) => {
      this.#way.session = next
    })
    const late = new Failure('tls', 'The TLS handshake took too long.')
    return ready(socket, 'secureConnect', ms, late, tlsFailure)
  }
}

function ready<S extends Socket>(
  socket: S,
  event: 'connect' | 'secureConnect',
  ms: number,
  late: Failure,
  failure: (error: unknown) => Failure,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(late), Math.max(1, ms))
    const failed = (error?: Error) => {
      clearTimeout(timer)
      reject(error === late ? late : failure(error))
      socket.destroy()
    }
    socket.once('error', failed)
    const closed = () => failed()
    socket.once('close', closed)
    socket.once(event, () => {
      clearTimeout(timer)
      socket.off('error', failed)
      socket.off('close', closed)
      resolve(socket)
    })
  })
}
