// Attach as `globalSetup` to a vitest project whose test files share a RabbitMQ: `sharedRabbitmq` in any of its workers
// gets it, which is started when it is first asked for and ended after the run.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type RabbitServer, startRabbitmq } from './rabbitmq.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the workers ask for the server. */
    rabbitmq: string
  }
}

interface Project {
  provide(key: 'rabbitmq', address: string): void
}

export async function setup(project: Project): Promise<() => Promise<void>> {
  let started: Promise<RabbitServer> | undefined
  const server = createServer((_, response) => {
    started ??= startRabbitmq()
    started.then(
      ({ url, tlsUrl, ca }) => response.end(JSON.stringify({ url, tlsUrl, ca })),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  project.provide('rabbitmq', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  return async () => {
    server.close()
    server.closeAllConnections()
    await (await started?.catch(() => undefined))?.stop()
  }
}
