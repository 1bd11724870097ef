import type { KafkaAccess } from './kafka.ts'

const tokenSeconds = 24 * 3600

/** A configuration of the gateway for this cluster, with its other listeners as comments. */
export function kafkaConfiguration(cluster: KafkaAccess): string {
  const { listeners, tls, users } = cluster
  const from = (path: string): string => `{ file: ${JSON.stringify(path)} }`
  const ca = `tls: { ca: ${from(tls.ca)} }`
  const pair = `tls: { ca: ${from(tls.ca)}, cert: ${from(tls.cert)}, key: ${from(tls.key)} }`
  const sasl = (mechanism: string, { username, password }: { username: string; password: string }): string =>
    `sasl: { mechanism: ${mechanism}, username: ${username}, password: ${password} }`
  const token = cluster.token({ exp: Math.floor(Date.now() / 1000) + tokenSeconds })
  const broker = (name: string, bootstrap: readonly string[], more: readonly string[] = []): string => {
    const fields = ['type: kafka', `bootstrap: [${bootstrap.join(', ')}]`, 'acks: all', ...more]
    return [`${name}:`, ...fields.map((field) => `  ${field}`)].join('\n')
  }
  const variants = [
    broker('plain', listeners.sasl, [ca, sasl('plain', users.plain)]),
    broker('scram', listeners.sasl, [ca, sasl('scram-sha-512', users.scram)]),
    broker('certificate', listeners.mtls, [pair]),
    broker('bearer', listeners.oauth, [ca, `sasl: { mechanism: oauthbearer, token: ${token} }`]),
  ]
  return `brokers:
  main: { type: kafka, bootstrap: [${cluster.bootstrap.join(', ')}], acks: all }
${variants.join('\n').replace(/^/gm, '  # ')}
topics:
  orders:
    broker: main
    requires: { replay: true, ordering: key }
    ensure: { partitions: 6, replicas: ${cluster.bootstrap.length}, retention: 7d }
`
}
