import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Stands in front of a server; what clients say reaches it only once the gate is open. */
export interface Gate {
  readonly url: string
  open(): void
  close(): Promise<void>
}

export async function gateTo(port: number): Promise<Gate> {
  const sockets = new Set<Socket>()
  let isOpen = false
  const gate = createServer((near) => {
    const far = connect(port, '127.0.0.1')
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
    }
    far.pipe(near)
    if (isOpen) near.pipe(far)
  })
  gate.listen(0, '127.0.0.1').unref()
  await once(gate, 'listening')
  return {
    url: `nats://127.0.0.1:${(gate.address() as AddressInfo).port}`,
    open() {
      isOpen = true
    },
    async close() {
      gate.close()
      for (const socket of sockets) socket.destroy()
      await once(gate, 'close')
    },
  }
}
