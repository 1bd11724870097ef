import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface CountingProxy {
  /** host:port, to give as the address of what it stands in front of. */
  readonly address: string
  /** How many connections were attempted so far. */
  readonly connections: number
  close(): Promise<void>
}

/** Counts the connections to a TCP server and passes everything on, on loopback. */
export async function proxyOf(target: string): Promise<CountingProxy> {
  const [host, port] = target.split(':')
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((near) => {
    connections++
    const far = connect(Number(port), host)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections
    },
    async close() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
