import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Who speaks. */
type Side = 'client' | 'server'

/** Stands between clients and a server on loopback. */
export interface Passage {
  /** host:port, to give in place of the server's. */
  readonly address: string
  /** How many connections were attempted so far. */
  readonly connections: number
  /** From now on what `side` says waits here, until the answer is called. */
  hold(side: Side): () => void
  /** Ends every connection and takes none, until the answer is called. */
  cut(): () => void
  close(): Promise<void>
}

/** A way to what listens at `target` (host:port). */
export async function passageTo(target: string): Promise<Passage> {
  const [host, port] = target.split(':')
  const pairs = new Set<Record<Side, Socket>>()
  const held = new Set<Side>()
  let connections = 0
  let isCut = false
  let closing: Promise<void> | undefined
  const server = createServer((client) => {
    connections++
    if (isCut) {
      client.destroy()
      return
    }
    const pair = { client, server: connect(Number(port), host) }
    pairs.add(pair)
    for (const [socket, other] of [
      [pair.client, pair.server],
      [pair.server, pair.client],
    ] as const) {
      socket.setNoDelay(true)
      socket.on('data', (bytes) => other.write(bytes))
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        pairs.delete(pair)
        other.destroy()
      })
    }
    for (const side of held) pair[side].pause()
  })
  server.listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  const destroyAll = (): void => {
    for (const pair of pairs) {
      pair.client.destroy()
      pair.server.destroy()
    }
  }
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections
    },
    hold(side) {
      held.add(side)
      for (const pair of pairs) pair[side].pause()
      return () => {
        held.delete(side)
        for (const pair of pairs) pair[side].resume()
      }
    },
    cut() {
      isCut = true
      destroyAll()
      return () => {
        isCut = false
      }
    },
    close() {
      closing ??= new Promise((resolve) => server.close(() => resolve()))
      destroyAll()
      return closing
    },
  }
}

/** A server's URL by way of the passage. */
export function through({ address }: Passage, serverUrl: string): string {
  const url = new URL(serverUrl)
  url.host = address
  return url.href
}
