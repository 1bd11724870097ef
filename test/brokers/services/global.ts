// The run's `globalSetup`: what test files of all suites share. Each service is started when a worker first asks for it
// (shared.ts), and ended after the run.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startKafka } from './kafka.ts'
import { startNats } from './nats.ts'
import { startPostgres } from './postgres.ts'
import { startRabbitmq } from './rabbitmq.ts'
import { startSqs } from './sqs.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the workers ask for services. */
    services: string
  }
}

interface Project {
  provide(key: 'services', address: string): void
}

interface Service {
  /** What a client needs to know of it. */
  readonly access: () => object | Promise<object>
  stop(): Promise<void>
}

const starts: Readonly<Record<string, () => Promise<Service>>> = {
  'kafka/1': () => kafka(1),
  'kafka/3': () => kafka(3),
  'nats/1': () => nats(1),
  'nats/3': () => nats(3),
  rabbitmq: async () => {
    const { url, tlsUrl, ca, stop } = await startRabbitmq()
    return { access: () => ({ url, tlsUrl, ca }), stop }
  },
  sqs: async () => {
    const { queues, topics, stop } = await startSqs()
    return { access: () => ({ queues, topics }), stop }
  },
  postgres: async () => {
    const server = await startPostgres()
    return { access: async () => ({ url: await server.database() }), stop: () => server.stop() }
  },
}

export async function setup(project: Project): Promise<() => Promise<void>> {
  const started = new Map<string, Promise<Service>>()
  const access = async (name: string): Promise<object> => {
    const service = started.get(name) ?? starts[name]!()
    started.set(name, service)
    return (await service).access()
  }
  const server = createServer((request, response) => {
    access(request.url!.slice(1)).then(
      (found) => response.end(JSON.stringify(found)),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  project.provide('services', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  return async () => {
    server.close()
    server.closeAllConnections()
    const services = await Promise.allSettled(started.values())
    await Promise.all(services.map((service) => (service.status === 'fulfilled' ? service.value.stop() : undefined)))
  }
}

async function kafka(nodes: 1 | 3): Promise<Service> {
  const { nodes: _, stop, token: __, ...description } = await startKafka({ nodes })
  return { access: () => description, stop }
}

async function nats(nodes: 1 | 3): Promise<Service> {
  const { nodes: _, stop, ...description } = await startNats({ nodes })
  return { access: () => description, stop }
}
