import type { RabbitAccess } from '../rabbitmq.ts'

/** A configuration of the gateway for this server, with its TLS listener as a comment. */
export function rabbitmqConfiguration({ url, tlsUrl, ca }: RabbitAccess): string {
  const entry = (text: string, more = ''): string => {
    const { protocol, host, username, password } = new URL(text)
    return `{ type: rabbitmq, url: '${protocol}//${host}', username: ${username}, password: ${password}${more} }`
  }
  return `brokers:
  jobs: ${entry(url)}
  # secure: ${entry(tlsUrl, `, tls: { ca: { file: ${JSON.stringify(ca)} } }`)}
topics:
  orders: { broker: jobs, ensure: {} }
`
}
