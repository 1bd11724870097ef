import { nkeys } from '@nats-io/nats-core'

/** A server's configuration with one operator, and the text of a `.creds` file of a user of its one account. */
export interface Operated {
  readonly accounts: string
  readonly credentials: string
}

type Pair = ReturnType<typeof nkeys.createUser>

const text = new TextEncoder()
const unlimited = { subs: -1, conn: -1, leaf: -1, imports: -1, exports: -1, data: -1, payload: -1, wildcards: true }
const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }

/** What `nsc` would make: claims of version 2, signed with Ed25519. */
function token(issuer: Pair, subject: Pair, name: string, claims: object, seconds?: number): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const iat = Math.floor(Date.now() / 1000)
  const whose = { iss: issuer.getPublicKey(), sub: subject.getPublicKey(), name, nats: claims }
  const payload = { jti: name, iat, ...whose, ...(seconds !== undefined && { exp: iat + seconds }) }
  const signed = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part(payload)}`
  return `${signed}.${Buffer.from(issuer.sign(text.encode(signed))).toString('base64url')}`
}

/** `seconds` is for how long the user's credentials hold; without it they hold for ever. */
export function operated(seconds?: number): Operated {
  const operator = nkeys.createOperator()
  const system = nkeys.createAccount()
  const account = nkeys.createAccount()
  const user = nkeys.createUser()
  const claims = (type: string, more: object = {}) => ({ type, version: 2, ...more })
  const mine = token(operator, operator, 'testbed', claims('operator', { system_account: system.getPublicKey() }))
  const accounts = [
    [system, token(operator, system, 'SYS', claims('account', { limits: unlimited }))],
    [account, token(operator, account, 'APP', claims('account', { limits: { ...unlimited, ...storage } }))],
  ] as const
  const jwt = token(account, user, 'app', claims('user', { subs: -1, data: -1, payload: -1 }), seconds)
  return {
    accounts: `operator: ${mine}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload { ${accounts.map(([pair, one]) => `${pair.getPublicKey()}: ${one}`).join(', ')} }`,
    credentials: `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${new TextDecoder().decode(user.getSeed())}
------END USER NKEY SEED------
`,
  }
}
