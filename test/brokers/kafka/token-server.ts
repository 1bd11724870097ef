import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface TokenRequest {
  readonly method: string | undefined
  readonly authorization: string | undefined
  readonly form: Readonly<Record<string, string>>
}

export interface TokenServer {
  readonly url: string
  readonly requests: readonly TokenRequest[]
  close(): Promise<void>
}

/** Answers requests for tokens (RFC 6749, section 4.4) on loopback, with status 400 where `answer` gives nothing. */
export async function tokenServer(answer: (request: TokenRequest) => object | undefined): Promise<TokenServer> {
  const requests: TokenRequest[] = []
  const server = createServer(async (incoming, response) => {
    const { method, headers } = incoming
    const form = Object.fromEntries(new URLSearchParams(await text(incoming)))
    const request = { method, authorization: headers.authorization, form }
    requests.push(request)
    const body = answer(request)
    response.writeHead(body === undefined ? 400 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body ?? { error: 'invalid_client' }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    requests,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
