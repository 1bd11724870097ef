import { keys } from './kafka/tls.ts'
import { freePort } from './ports.ts'
import { type Ports, RabbitNode } from './rabbitmq/node.ts'
import { rabbitRoot } from './rabbitmq/rootfs.ts'

/** What a client needs to know of a server; it may cross a process boundary as JSON. */
export interface RabbitAccess {
  /** With the credentials of a user who may do everything. */
  readonly url: string
  /** The same over TLS. */
  readonly tlsUrl: string
  /** Path of the authority's certificate, as PEM. */
  readonly ca: string
}

export interface RabbitServer extends RabbitAccess {
  readonly node: RabbitNode
  /** Ends it, also a paused one, and removes the data. */
  stop(): Promise<void>
}

interface Options {
  /** Lines of rabbitmq.conf, above those of the testbed. */
  readonly settings?: readonly string[]
  readonly progress?: (line: string) => void
}

const starts = 3

/** Starts a real RabbitMQ on loopback with its data in a folder of its own; it does not outlive this process. */
export async function startRabbitmq(options: Options = {}): Promise<RabbitServer> {
  const { settings = [], progress = () => undefined } = options
  const root = await rabbitRoot(() => progress('downloading, once'))
  const made = await keys()
  progress('starting one node')
  for (let left = starts; ; left--) {
    const ports: Ports = {
      amqp: await freePort(),
      amqps: await freePort(),
      distribution: await freePort(),
      epmd: await freePort(),
    }
    const node = await RabbitNode.create(root, ports, made, settings)
    try {
      await node.start()
      const credentials = 'guest:guest@127.0.0.1'
      return {
        url: `amqp://${credentials}:${ports.amqp}`,
        tlsUrl: `amqps://${credentials}:${ports.amqps}`,
        ca: made.ca,
        node,
        stop: () => node.remove(),
      }
    } catch (error) {
      await node.remove()
      // A port that was free may be somebody else's by the time the node listens on it.
      if (left === 1 || !String(error).includes('eaddrinuse')) throw error
    }
  }
}
