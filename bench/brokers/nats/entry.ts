/** Of the gateway's configuration. */
export interface NatsEntry {
  readonly type: 'nats'
  readonly servers: readonly string[]
  readonly user: string
  readonly password: string
}

/** What the client library takes. */
export function connectOptions({ servers, user, password }: NatsEntry) {
  return { servers: [...servers], user, pass: password }
}
