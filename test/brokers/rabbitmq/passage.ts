import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Stands between a client and a server on loopback. */
export interface Passage {
  /** The server's URL, with the way's address. */
  readonly url: string
  /** How many connections were attempted so far. */
  readonly connections: number
  /** From now on the server's answers wait here, until the answer is called. */
  hold(): () => void
  /** Ends every connection and takes none, until the answer is called. */
  cut(): () => void
  close(): Promise<void>
}

export async function passageTo(serverUrl: string): Promise<Passage> {
  const { hostname, port } = new URL(serverUrl)
  const pairs = new Map<Socket, Socket>()
  let connections = 0
  let isCut = false
  let isHeld = false
  let closing: Promise<void> | undefined
  const server = createServer((near) => {
    connections++
    if (isCut) {
      near.destroy()
      return
    }
    const far = connect(Number(port), hostname)
    pairs.set(near, far)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.setNoDelay(true)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        pairs.delete(near)
        other.destroy()
      })
    }
    near.on('data', (bytes) => far.write(bytes))
    far.on('data', (bytes) => near.write(bytes))
    if (isHeld) far.pause()
  })
  server.listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  const url = new URL(serverUrl)
  url.port = String((server.address() as AddressInfo).port)
  const destroyAll = (): void => {
    for (const [near, far] of pairs) {
      near.destroy()
      far.destroy()
    }
  }
  return {
    url: url.href,
    get connections() {
      return connections
    },
    hold() {
      isHeld = true
      for (const far of pairs.values()) far.pause()
      return () => {
        isHeld = false
        for (const far of pairs.values()) far.resume()
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
