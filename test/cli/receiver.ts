import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'

export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** An endpoint on this machine, ended with the test. */
export interface Receiver {
  readonly url: string
  readonly port: number
  readonly received: readonly Received[]
  /** Resolves once so many requests came. */
  until(count: number): Promise<void>
  close(): Promise<void>
}

const open = new Set<Receiver>()

afterEach(async () => {
  await Promise.all([...open].map((one) => one.close()))
})

/** `answer` gives the status for a request, by what it is and how many came before; it may take its time. */
export async function receiver(
  answer: (request: Received, before: number) => number | Promise<number> = () => 200,
  port = 0,
): Promise<Receiver> {
  const received: Received[] = []
  let changed = Promise.withResolvers<void>()
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const one = { headers: request.headers, body: Buffer.concat(chunks).toString() }
    const before = received.push(one) - 1
    changed.resolve()
    changed = Promise.withResolvers()
    response.writeHead(await answer(one, before), { location: '/elsewhere' }).end()
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as AddressInfo
  const one: Receiver = {
    url: `http://127.0.0.1:${address.port}/hooks`,
    port: address.port,
    received,
    async until(count) {
      while (received.length < count) await changed.promise
    },
    async close() {
      if (!open.delete(one)) return
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  open.add(one)
  return one
}
