import { once } from 'node:events'
import { syncBuiltinESMExports } from 'node:module'
import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import type { KafkaCluster } from '../../brokers/services/kafka.ts'
import type { Random } from '../../conformance/random.ts'
import { pause } from '../../conformance/waiting.ts'

/** How long a chunk may be held up, in each direction. */
const jitterMs = 250
/** So many bytes of a chunk go one by one. */
const slices = 40
/** How many of a hundred chunks are dropped, with the connection. */
const resetPercent = 2

/**
 * Every connection from this process to a cluster's nodes, led through proxies of our own. The nodes' own addresses are
 * what clients are told to connect to, so it is the connecting that is led elsewhere.
 */
export class Wire {
  readonly #random: Random
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #connect = net.createConnection
  #rough = false
  /** How many connections were reset, with something that was on its way. */
  resets = 0

  private constructor(random: Random) {
    this.#random = random
  }

  /** Until `cut`, nothing reaches the nodes otherwise. */
  static async lay(cluster: KafkaCluster, random: Random): Promise<Wire> {
    const wire = new Wire(random)
    const ports = new Map<number, number>()
    for (const { ports: own } of cluster.nodes) ports.set(own.plaintext, await wire.#serve(own.plaintext))
    const connect = wire.#connect
    const led = (options: net.NetConnectOpts, listener?: () => void): Socket => {
      const port = 'port' in options ? ports.get(Number(options.port)) : undefined
      return connect(port === undefined ? options : { ...options, port }, listener)
    }
    net.createConnection = led as typeof net.createConnection
    syncBuiltinESMExports()
    return wire
  }

  /** From now on chunks are late, come byte by byte, or do not come and take the connection with them. */
  roughen(): void {
    this.#rough = true
  }

  smooth(): void {
    this.#rough = false
  }

  async cut(): Promise<void> {
    net.createConnection = this.#connect
    syncBuiltinESMExports()
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }

  async #serve(port: number): Promise<number> {
    const server = net.createServer((client) => {
      const node = this.#connect({ port, host: '127.0.0.1' })
      for (const socket of [client, node]) {
        socket.setNoDelay(true)
        this.#sockets.add(socket)
        // What ends one end ends the other.
        socket.on('error', () => undefined)
        socket.once('close', () => {
          this.#sockets.delete(socket)
          client.destroy()
          node.destroy()
        })
      }
      this.#pass(client, node).catch(() => undefined)
      this.#pass(node, client).catch(() => undefined)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.#servers.push(server)
    return (server.address() as AddressInfo).port
  }

  async #pass(from: Socket, to: Socket): Promise<void> {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      let left = chunk
      if (this.#rough) {
        await pause(this.#random.between(0, jitterMs))
        if (this.#random.between(1, 100) <= resetPercent) {
          this.resets++
          from.resetAndDestroy()
          to.resetAndDestroy()
          return
        }
        for (let i = 0; i < slices && left.length > 0; i++) {
          to.write(left.subarray(0, 1))
          left = left.subarray(1)
          await new Promise(setImmediate)
        }
      }
      if (left.length > 0 && !to.write(left)) await once(to, 'drain')
    }
    to.end()
  }
}
