import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'

/** Serves an app as the gateway does, without the gateway, and says where; until SIGTERM. */
export function serveStack(app: Hono): void {
  // The same options as src/runtime/node-server.ts.
  const server = createServer(
    {
      maxHeaderSize: 16 << 10,
      headersTimeout: 9000,
      requestTimeout: 0,
      connectionsCheckingInterval: 1000,
      keepAliveTimeout: 65_000,
      requireHostHeader: false,
      noDelay: true,
    },
    getRequestListener(app.fetch),
  )
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    process.stdout.write(`${JSON.stringify({ event: 'listening', url: `http://127.0.0.1:${port}` })}\n`)
  })
  process.on('SIGTERM', () => process.exit())
  // Also where whoever started it could not stop it.
  process.stdin.on('end', () => process.exit()).resume()
}
