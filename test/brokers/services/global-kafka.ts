// Attach as `globalSetup` to a vitest project whose test files share clusters: `sharedKafka` in any of its workers gets
// one, which is started when it is first asked for and ended after the run.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type KafkaCluster, startKafka } from './kafka.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the workers ask for clusters. */
    kafka: string
  }
}

interface Project {
  provide(key: 'kafka', address: string): void
}

export async function setup(project: Project): Promise<() => Promise<void>> {
  const clusters = new Map<1 | 3, Promise<KafkaCluster>>()
  const clusterOf = (nodes: 1 | 3): Promise<KafkaCluster> => {
    const cluster = clusters.get(nodes) ?? startKafka({ nodes })
    clusters.set(nodes, cluster)
    return cluster
  }
  const server = createServer((request, response) => {
    clusterOf(request.url === '/1' ? 1 : 3).then(
      // Of what it holds only the description is data.
      ({ nodes: _, ...description }) => response.end(JSON.stringify(description)),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  project.provide('kafka', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  return async () => {
    server.close()
    server.closeAllConnections()
    const started = await Promise.allSettled(clusters.values())
    await Promise.all(started.map((cluster) => (cluster.status === 'fulfilled' ? cluster.value.stop() : undefined)))
  }
}
