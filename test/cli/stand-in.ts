import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: Record<string, string>
  readonly body: unknown
}

/** Stands in for a gateway where a test needs answers that a real one gives only at moments that nobody can hold. */
export interface StandIn {
  readonly url: string
  readonly asked: readonly Asked[]
}

const ends: (() => Promise<void>)[] = []

afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()))
})

function isProblem(given: unknown): given is { readonly status: number } {
  return typeof given === 'object' && given !== null && 'status' in given && typeof given.status === 'number'
}

/** `answer` gives the body for a request; undefined breaks the connection. */
export async function standIn(answer: (asked: Asked) => unknown): Promise<StandIn> {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost')
    const text = Buffer.concat(chunks).toString()
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    const one = { method: request.method!, path: pathname, query: Object.fromEntries(searchParams), body }
    asked.push(one)
    const given = answer(one)
    if (given === undefined) request.socket.destroy()
    // A problem has its status in it.
    else
      response
        .writeHead(isProblem(given) ? given.status : 200, { 'content-type': 'application/json' })
        .end(JSON.stringify(given))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ends.push(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
