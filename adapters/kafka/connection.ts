import type { BaseOptions } from '@platformatic/kafka'
import type { Config, SaslConfig } from './config.ts'
import { clientCredentials } from './token.ts'

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
    ...(tls !== undefined && tlsOf(tls)),
    ...(sasl !== undefined && { sasl: saslOf(sasl) }),
  }
}

function tlsOf(tls: NonNullable<Config['tls']>): Pick<BaseOptions, 'tls' | 'tlsServerName'> {
  if (tls === true) return { tls: {}, tlsServerName: true }
  const { ca, cert, key, serverName } = tls
  return {
    tls: { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert, key }) },
    tlsServerName: serverName ?? true,
  }
}

function saslOf(sasl: SaslConfig): Sasl {
  if (sasl.mechanism !== 'oauthbearer') {
    const { mechanism, username, password } = sasl
    return { mechanism: mechanisms[mechanism], username, password }
  }
  return { mechanism: 'OAUTHBEARER', token: sasl.token ?? clientCredentials(sasl) }
}
