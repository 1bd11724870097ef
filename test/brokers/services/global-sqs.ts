// Attach as `globalSetup` to a vitest project whose test files share emulators of SQS and SNS: `sharedSqs` in any of its
// workers gets them, which are started when they are first asked for and ended after the run.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type SqsServers, startSqs } from './sqs.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the workers ask for the emulators. */
    sqs: string
  }
}

interface Project {
  provide(key: 'sqs', address: string): void
}

export async function setup(project: Project): Promise<() => Promise<void>> {
  let started: Promise<SqsServers> | undefined
  const server = createServer((_, response) => {
    started ??= startSqs()
    started.then(
      ({ queues, topics }) => response.end(JSON.stringify({ queues, topics })),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  project.provide('sqs', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  return async () => {
    server.close()
    server.closeAllConnections()
    await (await started?.catch(() => undefined))?.stop()
  }
}
