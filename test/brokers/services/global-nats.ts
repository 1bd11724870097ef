// Attach as `globalSetup` to a vitest project whose test files share NATS servers: `sharedNats` in any of its workers gets
// one, or a cluster, which is started when it is first asked for and ended after the run.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type NatsCluster, startNats } from './nats.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the workers ask for servers. */
    nats: string
  }
}

interface Project {
  provide(key: 'nats', address: string): void
}

export async function setup(project: Project): Promise<() => Promise<void>> {
  const clusters = new Map<1 | 3, Promise<NatsCluster>>()
  const clusterOf = (nodes: 1 | 3): Promise<NatsCluster> => {
    const cluster = clusters.get(nodes) ?? startNats({ nodes })
    clusters.set(nodes, cluster)
    return cluster
  }
  const server = createServer((request, response) => {
    clusterOf(request.url === '/3' ? 3 : 1).then(
      // Of what it holds only the description is data.
      ({ nodes: _, ...description }) => response.end(JSON.stringify(description)),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  project.provide('nats', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  return async () => {
    server.close()
    server.closeAllConnections()
    const started = await Promise.allSettled(clusters.values())
    await Promise.all(started.map((cluster) => (cluster.status === 'fulfilled' ? cluster.value.stop() : undefined)))
  }
}
