import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import { GatewayError } from '../core/errors.ts'
import type { Limits } from '../core/limits.ts'
import type { App } from '../http/app.ts'
import type { PlatformEnv } from '../http/gateway.ts'
import { newInstance, problem } from '../http/problem.ts'
import { readBody } from './node-body.ts'
import { answerParserError, answerProblem, headerFault } from './node-guard.ts'

const headersWithinMs = 9000
const maxConnections = 10_000
/** How long a probe may still come and read that the gateway is not ready, before connections are refused. */
const lastProbesMs = 200
const badTarget = 'The address or the Host of the request is not valid.'

export interface NodeServer {
  /** `http://host:port`, as a client on this machine reaches it. */
  readonly url: string
  /** Stops accepting, soon; resolves when every request is answered, or cut off after `graceMs`. */
  stop(graceMs: number): Promise<void>
}

export interface ListenOptions {
  readonly host: string
  readonly port: number
  readonly limits: Limits
  /** Aborts when shutdown begins: connections then end with their answer. */
  readonly stopping: AbortSignal
}

/** Serves the app. Rejects with `misconfigured` where the address cannot be had. */
export async function listen(app: App, { host, port, limits, stopping }: ListenOptions): Promise<NodeServer> {
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: headersWithinMs,
    // It would count a whole request, and cut uploads that flow; idle bodies are watched where they are read.
    requestTimeout: 0,
    connectionsCheckingInterval: 1000,
    keepAliveTimeout: 65_000,
    // The guard answers with a body, which Node's own refusal has not.
    requireHostHeader: false,
    noDelay: true,
  })
  server.maxConnections = maxConnections
  server.on('request', requestListener(app, limits, stopping))
  server.on('checkExpectation', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    void answerProblem(
      incoming,
      outgoing,
      new GatewayError('invalid_argument', 'The only expectation known is 100-continue.'),
    )
  })
  server.on('clientError', (error, socket) => void answerParserError(error, socket, limits))
  await bind(server, host, port)
  return { url: urlOf(server, host), stop: (graceMs) => stop(server, graceMs) }
}

function requestListener(app: App, limits: Limits, stopping: AbortSignal) {
  const listener = getRequestListener(
    (request, env) => {
      const incoming = env.incoming as IncomingMessage
      const platform: PlatformEnv = { readBody: (limit, hold) => readBody(incoming, limit, limits.idle, hold) }
      return app.fetch(request, platform)
    },
    // The app never throws: what comes here is an address that is none.
    { errorHandler: () => problem(new GatewayError('invalid_argument', badTarget), newInstance()) },
  )
  return (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    if (stopping.aborted) outgoing.shouldKeepAlive = false
    const fault = headerFault(incoming, limits)
    if (fault === undefined) void listener(incoming, outgoing)
    else void answerProblem(incoming, outgoing, fault)
  }
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(bindError(error, host, port)))
    server.listen(port, host, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

function bindError(error: NodeJS.ErrnoException, host: string, port: number): GatewayError {
  const reasons: Record<string, string> = {
    EADDRINUSE: `Port ${port} of ${host} is taken. Choose another with --port (0 is any free one) or listen.port.`,
    EACCES: `Port ${port} may not be used by this user. Choose another with --port or listen.port.`,
    EADDRNOTAVAIL: `This machine has no address ${host}. Choose another with --host or listen.host.`,
    ENOTFOUND: `There is no host ${host}. Choose another with --host or listen.host.`,
  }
  const detail = reasons[error.code ?? ''] ?? `${host}:${port} cannot be listened on (${error.code}).`
  return new GatewayError('misconfigured', detail, { cause: error })
}

function urlOf(server: Server, host: string): string {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

async function stop(server: Server, graceMs: number): Promise<void> {
  await sleep(lastProbesMs)
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  // A connection becomes idle when its answer is out; Node itself would keep it for the next request.
  const idle = setInterval(() => server.closeIdleConnections(), 20)
  const cut = setTimeout(() => server.closeAllConnections(), graceMs)
  server.closeIdleConnections()
  await closed
  clearInterval(idle)
  clearTimeout(cut)
}
