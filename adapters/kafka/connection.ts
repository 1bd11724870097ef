import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { BaseOptions } from '@platformatic/kafka'
import { GatewayError } from '../../src/core/index.ts'
import type { Config, SaslConfig } from './config.ts'
import { clientCredentials } from './token.ts'

type Tls = NonNullable<Config['tls']>
type Sasl = NonNullable<BaseOptions['sasl']>

const mechanisms = {
  plain: 'PLAIN',
  'scram-sha-256': 'SCRAM-SHA-256',
  'scram-sha-512': 'SCRAM-SHA-512',
} as const

/** How the cluster of a configuration is reached. */
export function connectionOf({ bootstrap, clientId, tls, sasl, requestTimeout }: Config): BaseOptions {
  return {
    clientId,
    bootstrapBrokers: bootstrap,
    connectTimeout: requestTimeout,
    requestTimeout,
    timeout: requestTimeout,
    ...(tls !== undefined && { ...tlsOf(tls), tlsServerName: serverName(tls, bootstrap) }),
    ...(sasl !== undefined && { sasl: saslOf(sasl) }),
  }
}

/** Throws `misconfigured` for what is no certificate, or no key of it. */
export function tlsOf(tls: Tls): { readonly tls: NonNullable<BaseOptions['tls']> } {
  if (tls === true) return { tls: {} }
  const { ca, cert, key } = tls
  const options = { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert, key }) }
  try {
    if (ca !== undefined) new X509Certificate(ca)
    createSecureContext(options)
  } catch (cause) {
    const detail = 'The certificates or the key cannot be read, or do not belong together: give them as PEM (tls).'
    throw new GatewayError('misconfigured', detail, { cause })
  }
  return { tls: options }
}

/** TLS has no names that are addresses (RFC 6066, section 3). */
function serverName(tls: Tls, bootstrap: readonly string[]): string | boolean {
  const named = tls === true ? undefined : tls.serverName
  return named ?? !bootstrap.every((server) => isIP(server.replace(/:\d+$/, '').replace(/[[\]]/g, '')) > 0)
}

function saslOf(sasl: SaslConfig): Sasl {
  if (sasl.mechanism !== 'oauthbearer') {
    const { mechanism, username, password } = sasl
    return { mechanism: mechanisms[mechanism], username, password }
  }
  return { mechanism: 'OAUTHBEARER', token: sasl.token ?? clientCredentials(sasl) }
}
