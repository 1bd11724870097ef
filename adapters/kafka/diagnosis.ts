import { once } from 'node:events'
import { connect } from 'node:tls'
import { GatewayError } from '../../src/core/index.ts'
import type { Config } from './config.ts'
import { tlsOf } from './connection.ts'
import { refusal } from './errors.ts'

const defaultPort = 9092
const probeMs = 2000

/**
 * Why a broker hangs up on whoever connects as configured, or undefined where that cannot be seen: it says in words of
 * TLS only that it wants TLS, or a certificate, and the client library does not pass them on.
 */
export async function whyHungUp({ bootstrap, tls }: Config): Promise<GatewayError | undefined> {
  const [, host, port = defaultPort] = /^\[?(.+?)\]?(?::(\d+))?$/.exec(bootstrap[0]!)!
  const options = tls === undefined ? { rejectUnauthorized: false } : tlsOf(tls).tls
  const socket = connect(Number(port), host, options)
  const signal = AbortSignal.timeout(probeMs)
  try {
    await once(socket, 'secureConnect', { signal })
    if (tls === undefined) return new GatewayError('misconfigured', 'The broker speaks TLS: set tls.')
    // Whom it does not accept it tells only after the handshake.
    await once(socket, 'close', { signal })
  } catch (error) {
    const refused = tls === undefined ? undefined : refusal(error)
    if (refused !== undefined) return new GatewayError('misconfigured', `${refused}.`, { cause: error })
  } finally {
    socket.on('error', () => undefined)
    socket.destroy()
  }
  return undefined
}
