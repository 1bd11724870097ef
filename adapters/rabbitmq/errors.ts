import { type ErrorCode, GatewayError } from '../../src/core/index.ts'

interface ClientError extends Error {
  /** AMQP's reply code, or a name that Node gives. */
  readonly code?: number | string
}

const retryAfterMs = 1000

const codes: Readonly<Record<number, ErrorCode>> = {
  311: 'too_large',
  403: 'misconfigured',
  404: 'not_found',
  405: 'conflict',
  406: 'conflict',
  530: 'misconfigured',
  540: 'unsupported',
}

const refusedByTls = /^(ERR_TLS|ERR_SSL|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|CERT_|EPROTO)/

/** What RabbitMQ says in its own words, without the client's wrapping. */
export function wordsOf({ message }: Pick<Error, 'message'>): string {
  return /with message "[A-Z_]+ - ([^"]*)"/.exec(message)?.[1] ?? message
}

/** What the client threw, as the gateway's error. `doing` says what was tried, for the sentence. */
export function translate(thrown: unknown, doing: string): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  const { code, message = String(thrown) } = (thrown ?? {}) as ClientError
  const known = typeof code === 'number' ? codes[code] : undefined
  if (known === undefined) {
    const why = typeof code === 'string' ? code : message.slice(0, 200)
    const detail = `RabbitMQ could not do ${doing}: ${why}.`
    return new GatewayError('unavailable', detail, { retryAfterMs, cause: thrown })
  }
  const words = wordsOf({ message })
  if (code === 403) {
    const detail = `RabbitMQ refused ${doing}: ${words}. Give the user the permission (rabbitmqctl set_permissions).`
    return new GatewayError(known, detail, { cause: thrown })
  }
  return new GatewayError(known, `RabbitMQ refused ${doing}: ${words}.`, { cause: thrown })
}

/** What the client says where another protocol is spoken; the second also where a node has just gone. */
const notSpoken = /^(Frame size|Socket closed abruptly)/

/** Why a connection could not be made. `where` names the node and the virtual host, and no secret. */
export function translateConnecting(thrown: unknown, where: string): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  const { code, message = String(thrown) } = thrown as ClientError
  const refused = (detail: string) => new GatewayError('misconfigured', detail, { cause: thrown })
  if (message.includes('ACCESS_REFUSED') || message.includes('ACCESS-REFUSED')) {
    return refused(`RabbitMQ refuses the credentials at ${where}: set username and password.`)
  }
  if (message.includes('Expected ConnectionOpenOk')) {
    return refused(
      `RabbitMQ refuses the virtual host at ${where}: it does not exist (rabbitmqctl add_vhost), the user may not enter it (rabbitmqctl set_permissions), or it has no connection left.`,
    )
  }
  if (message.includes('SASL mechanism'))
    return refused(`RabbitMQ at ${where} does not take a username and a password.`)
  if (typeof code === 'string' && refusedByTls.test(code)) {
    return refused(`TLS with ${where} fails: ${code}. Set tls.ca, or amqp:// where it has no TLS.`)
  }
  const why = typeof code === 'string' ? code : message.slice(0, 200)
  const hint = notSpoken.test(message) ? ' Does something else listen there, or is it amqps://? Look at url.' : ''
  return new GatewayError('unavailable', `RabbitMQ does not answer at ${where}: ${why}.${hint}`, {
    retryAfterMs,
    cause: thrown,
  })
}

export function isMissing(thrown: unknown): boolean {
  return (thrown as ClientError | undefined)?.code === 404
}

export function closed(): GatewayError {
  return new GatewayError('unavailable', 'The connection to RabbitMQ is closed.')
}
