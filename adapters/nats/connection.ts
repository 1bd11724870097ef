import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
  wsconnect,
} from '@nats-io/transport-node'
import { GatewayError } from '../../src/core/index.ts'
import type { Config } from './config.ts'

const encoder = new TextEncoder()
/** A server that went silent is noticed after three of these. */
const pingMs = 5000

/** What tells how long to wait before the next attempt to connect. */
export type Delay = () => number

/** Connects as configured; afterwards the library connects again for ever. */
export function dial(config: Config, delay: Delay): Promise<NatsConnection> {
  const { servers, name, user, password, token, requestTimeout } = config
  const options: ConnectionOptions = {
    servers: [...servers],
    name,
    timeout: requestTimeout,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: delay,
    // What is refused now may be allowed again; the delay keeps it from being a storm.
    ignoreAuthErrorAbort: true,
    pingInterval: pingMs,
    maxPingOut: 2,
    noAsyncTraces: true,
    ...(user !== undefined && { user, pass: password! }),
    ...(token !== undefined && { token }),
    ...authenticatorOf(config),
  }
  if (servers[0]!.startsWith('ws')) return wsconnect(options)
  return connect({ ...options, ...tlsOf(config) })
}

function authenticatorOf({ nkey, credentials }: Config): Pick<ConnectionOptions, 'authenticator'> {
  if (nkey !== undefined) return { authenticator: nkeyAuthenticator(encoder.encode(nkey)) }
  return credentials === undefined ? {} : { authenticator: credsAuthenticator(encoder.encode(credentials)) }
}

/** Throws `misconfigured` for what is no certificate, or no key of it. */
function tlsOf({ tls, servers }: Config): Pick<ConnectionOptions, 'tls'> {
  if (tls === undefined) return servers.some((url) => url.startsWith('tls:')) ? { tls: {} } : {}
  if (tls === true) return { tls: {} }
  const { ca, cert, key, first } = tls
  const options = { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert, key: key! }) }
  try {
    if (ca !== undefined) new X509Certificate(ca)
    createSecureContext(options)
  } catch (cause) {
    const detail = 'The certificates or the key cannot be read, or do not belong together: give them as PEM (tls).'
    throw new GatewayError('misconfigured', detail, { cause })
  }
  return { tls: { ...options, ...(first === true && { handshakeFirst: true }) } }
}
