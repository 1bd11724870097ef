// Attach as `globalSetup` to a vitest project whose test files share a Postgres: `sharedPostgres` in any of its workers
// gets a database of it, which is started when it is first asked for and ended after the run.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type PostgresServer, startPostgres } from './postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the workers ask for databases. */
    postgres: string
  }
}

interface Project {
  provide(key: 'postgres', address: string): void
}

export async function setup(project: Project): Promise<() => Promise<void>> {
  let postgres: Promise<PostgresServer> | undefined
  const database = async (): Promise<string> => {
    postgres ??= startPostgres()
    return (await postgres).database()
  }
  const server = createServer((_, response) => {
    database().then(
      (url) => response.end(url),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  project.provide('postgres', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  return async () => {
    server.close()
    server.closeAllConnections()
    await (await postgres?.catch(() => undefined))?.stop()
  }
}
