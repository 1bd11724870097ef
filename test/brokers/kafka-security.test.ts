import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kafka } from '../../adapters/kafka/index.ts'
import type { Broker } from '../../src/core/broker.ts'
import { type ErrorCode, GatewayError } from '../../src/core/errors.ts'
import { event } from '../conformance/events.ts'
import { gateway } from './kafka/gateway.ts'
import { type TokenServer, tokenServer } from './kafka/token-server.ts'
import { configOf } from './kafka-target.ts'
import type { KafkaAccess } from './services/kafka.ts'
import { passageTo } from './services/passage.ts'

const gate = gateway(1)
const text = (path: string): string => readFileSync(path, 'utf8')
const secret = 'a-secret-that-nobody-may-read'
/** How soon a refusal is to be told, and how many connections it may take to know. */
const soonMs = 15_000
const handful = 3
const patientHandful = 20
const quietMs = 3000

let tls: { ca: string; cert: string; key: string }
let ca: { ca: string }
beforeAll(() => {
  const { tls: paths } = gate.cluster
  tls = { ca: text(paths.ca), cert: text(paths.cert), key: text(paths.key) }
  ca = { ca: tls.ca }
}, 180_000)

const servers: TokenServer[] = []
const brokers: Broker[] = []
afterAll(async () => {
  await Promise.all(brokers.map((broker) => broker.close()))
  await Promise.all(servers.map((server) => server.close()))
})

async function tokens(answer: () => object | undefined): Promise<TokenServer> {
  const server = await tokenServer(answer)
  servers.push(server)
  return server
}

const byUrl = (url: string) => ({
  mechanism: 'oauthbearer',
  tokenUrl: url,
  clientId: 'gateway',
  clientSecret: secret,
  scope: 'events',
})

async function opened(bootstrap: readonly string[], more: object): Promise<Broker> {
  const broker = await kafka.open(configOf(bootstrap, more))
  brokers.push(broker)
  return broker
}

describe('who is let in', () => {
  type Way = (access: KafkaAccess) => readonly [bootstrap: readonly string[], more: object]
  const ways: Record<string, Way> = {
    'with a certificate': ({ listeners }) => [listeners.mtls, { tls }],
    'by PLAIN': ({ listeners, users }) => [listeners.sasl, { tls: ca, sasl: { mechanism: 'plain', ...users.plain } }],
    'by SCRAM-SHA-256': ({ listeners, users }) => [
      listeners.sasl,
      { tls: ca, sasl: { mechanism: 'scram-sha-256', ...users.scram } },
    ],
    'by SCRAM-SHA-512': ({ listeners, users }) => [
      listeners.sasl,
      { tls: ca, sasl: { mechanism: 'scram-sha-512', ...users.scram } },
    ],
    'with a token': ({ listeners, token }) => [
      listeners.oauth,
      { tls: ca, sasl: { mechanism: 'oauthbearer', token: token() } },
    ],
  }

  /** Every part of the adapter that makes connections of its own. */
  async function useEverything(broker: Broker): Promise<void> {
    const topic = await gate.topic('secured')
    const signal = AbortSignal.timeout(20_000)
    await broker.admin!.describe(topic)
    const one = event('one', {}, Buffer.from('1'))
    const two = event('two')
    expect(await broker.publish(topic, [one], { signal })).toMatchObject([{ status: 'stored' }])
    expect(await broker.publish(topic, [two], { signal, atomic: true })).toMatchObject([{ status: 'stored' }])
    const read: string[] = []
    for await (const { records } of broker.log!.read(topic, 'earliest', { signal })) {
      read.push(...records.map((record) => record.event.attributes.id))
    }
    expect(read).toEqual(['one', 'two'])
    await broker.groups.create(topic, 'readers', { start: 'earliest', leaseMs: 30_000, maxAttempts: 5 })
    const consumer = await broker.open(topic, 'readers', { prefetch: 10 })
    const { deliveries } = await consumer.pull({ max: 1, waitMs: 10_000, signal })
    expect(deliveries.map((delivery) => delivery.event)).toEqual([one])
    const receipt = deliveries[0]!.receipt
    expect(await consumer.settle([{ receipt, outcome: { kind: 'ack' } }])).toEqual([{ status: 'ok' }])
    await consumer.close()
    await broker.health()
  }

  test.each(Object.entries(ways))('%s can do everything', async (_, way) => {
    await useEverything(await opened(...way(gate.cluster)))
  })

  test('with tokens of a server can do everything, and asks for one as RFC 6749 says', async () => {
    const server = await tokens(() => ({ access_token: gate.cluster.token(), token_type: 'Bearer', expires_in: 3600 }))
    await useEverything(await opened(gate.cluster.listeners.oauth, { tls: ca, sasl: byUrl(server.url) }))
    expect(server.requests[0]).toEqual({
      method: 'POST',
      authorization: `Basic ${Buffer.from(`gateway:${secret}`).toString('base64')}`,
      form: { grant_type: 'client_credentials', scope: 'events' },
    })
    // It lasts: not every connection asks for one of its own.
    expect(server.requests.length).toBeLessThan(4)
  })

  test('with tokens that soon end gets new ones', async () => {
    const server = await tokens(() => ({ access_token: gate.cluster.token(), expires_in: 1 }))
    const broker = await opened(gate.cluster.listeners.oauth, { tls: ca, sasl: byUrl(server.url) })
    const before = server.requests.length
    await broker.admin!.list()
    const topic = await gate.topic('renewed')
    await broker.publish(topic, [event('one')], { signal: AbortSignal.timeout(20_000) })
    expect(server.requests.length).toBeGreaterThan(before)
  })
})

interface Refusal {
  readonly target: string
  readonly more: object
  /** What the sentence says. */
  readonly says: RegExp
  /** Where it is another than `misconfigured`: what may pass is tried again for a while. */
  readonly code?: ErrorCode
  /** What nobody may read in it or in its causes. */
  readonly hidden?: readonly string[]
}

describe('who is refused', () => {
  const credentials = /refuses the credentials \(sasl\)/
  const wrong = (mechanism: string, username: string) => ({ mechanism, username, password: secret })
  const expired = () => gate.cluster.token({ exp: Math.floor(Date.now() / 1000) - 3600 })
  type Make = (access: KafkaAccess) => Refusal | Promise<Refusal>
  // `tls` is known only when they are made.
  const refusals: Record<string, Make> = {
    'without a certificate': ({ listeners }) => ({
      target: listeners.mtls[0]!,
      more: { tls: ca },
      says: /set cert and key \(tls\)/,
    }),
    'that trusts another authority': ({ listeners }) => ({
      target: listeners.mtls[0]!,
      more: { tls: { ...tls, ca: tls.cert } },
      says: /\(tls\).*verify/,
    }),
    'that trusts the authorities of the system only': ({ listeners, users }) => ({
      target: listeners.sasl[0]!,
      more: { tls: true, sasl: { mechanism: 'plain', ...users.plain } },
      says: /\(tls\).*verify/,
      hidden: [users.plain.password],
    }),
    'that expects another name': ({ listeners, users }) => ({
      target: listeners.sasl[0]!,
      more: { tls: { ...ca, serverName: 'elsewhere.test' }, sasl: { mechanism: 'plain', ...users.plain } },
      says: /\(tls\).*elsewhere\.test/,
      hidden: [users.plain.password],
    }),
    'whose key is none': ({ listeners }) => ({
      target: listeners.mtls[0]!,
      more: { tls: { ...tls, key: secret } },
      says: /PEM \(tls\)/,
    }),
    'whose authority is none': ({ listeners }) => ({
      target: listeners.mtls[0]!,
      more: { tls: { ...tls, ca: 'no certificate' } },
      says: /PEM \(tls\)/,
    }),
    'without TLS': ({ listeners }) => ({ target: listeners.mtls[0]!, more: {}, says: /speaks TLS: set tls/ }),
    'without TLS, with credentials': ({ listeners, users }) => ({
      target: listeners.sasl[0]!,
      more: { sasl: { mechanism: 'plain', ...users.plain } },
      says: /speaks TLS: set tls/,
      hidden: [users.plain.password],
    }),
    'with TLS where there is none': ({ bootstrap }) => ({
      target: bootstrap[0]!,
      more: { tls: ca },
      says: /does not speak TLS/,
    }),
    'by PLAIN with a wrong password': ({ listeners, users }) => ({
      target: listeners.sasl[0]!,
      more: { tls: ca, sasl: wrong('plain', users.plain.username) },
      says: credentials,
    }),
    'by SCRAM-SHA-256 with a wrong password': ({ listeners, users }) => ({
      target: listeners.sasl[0]!,
      more: { tls: ca, sasl: wrong('scram-sha-256', users.scram.username) },
      says: credentials,
    }),
    'by SCRAM-SHA-512 with a wrong password': ({ listeners, users }) => ({
      target: listeners.sasl[0]!,
      more: { tls: ca, sasl: wrong('scram-sha-512', users.scram.username) },
      says: credentials,
    }),
    'by SCRAM-SHA-512 with a name that nobody has': ({ listeners }) => ({
      target: listeners.sasl[0]!,
      more: { tls: ca, sasl: wrong('scram-sha-512', 'nobody') },
      says: credentials,
    }),
    'by a mechanism that the listener has not': ({ listeners, users }) => ({
      target: listeners.oauth[0]!,
      more: { tls: ca, sasl: wrong('plain', users.plain.username) },
      says: credentials,
    }),
    'with an expired token': ({ listeners }) => {
      const token = expired()
      const sasl = { mechanism: 'oauthbearer', token }
      return { target: listeners.oauth[0]!, more: { tls: ca, sasl }, says: credentials, hidden: [token] }
    },
    'with expired tokens of a server': async ({ listeners }) => {
      const token = expired()
      const { url } = await tokens(() => ({ access_token: token, expires_in: 3600 }))
      return { target: listeners.oauth[0]!, more: { tls: ca, sasl: byUrl(url) }, says: credentials, hidden: [token] }
    },
    'by the server of tokens': async ({ listeners }) => {
      const { url } = await tokens(() => undefined)
      return {
        target: listeners.oauth[0]!,
        more: { tls: ca, sasl: byUrl(url) },
        says: /answered 400 without a token: check clientId, clientSecret and scope/,
        hidden: [Buffer.from(`gateway:${secret}`).toString('base64')],
      }
    },
    'while the server of tokens does not answer': async ({ listeners }) => {
      const { url, close } = await tokenServer(() => undefined)
      await close()
      const says = /The server of tokens at .* does not answer/
      return { target: listeners.oauth[0]!, more: { tls: ca, sasl: byUrl(url) }, says, code: 'unavailable' }
    },
    'without credentials': ({ listeners }) => ({
      target: listeners.sasl[0]!,
      more: { tls: ca },
      says: /set sasl/,
      code: 'unavailable',
    }),
  }

  const outcomes = new Map<string, Outcome>()
  beforeAll(async () => {
    const all = Object.entries(refusals).map(async ([name, make]) => {
      outcomes.set(name, await outcomeOf(await make(gate.cluster)))
    })
    await Promise.all(all)
  }, 60_000)

  test.each(Object.keys(refusals))('%s is told so, soon, and does not try again', (name) => {
    const { error, refusal, ms, attempts, more } = outcomes.get(name)!
    expect(error).toBeInstanceOf(GatewayError)
    expect(error).toMatchObject({ code: refusal.code ?? 'misconfigured', message: expect.stringMatching(refusal.says) })
    const everything = inspect(error, { depth: 10 })
    for (const word of [secret, ...(refusal.hidden ?? [])]) expect(everything).not.toContain(word)
    expect(ms).toBeLessThan(soonMs)
    expect(attempts).toBeLessThanOrEqual(refusal.code === undefined ? handful : patientHandful)
    expect(more).toBe(0)
  })
})

interface Outcome {
  readonly refusal: Refusal
  readonly error: unknown
  readonly ms: number
  /** How many connections there were until it was refused, and how many after. */
  readonly attempts: number
  readonly more: number
}

async function outcomeOf(refusal: Refusal): Promise<Outcome> {
  const passage = await passageTo(refusal.target)
  const began = Date.now()
  const error: unknown = await kafka.open(configOf([passage.address], refusal.more)).then(
    (broker) => broker.close(),
    (thrown) => thrown,
  )
  const ms = Date.now() - began
  const attempts = passage.connections
  await sleep(quietMs)
  const more = passage.connections - attempts
  await passage.close()
  return { refusal, error, ms, attempts, more }
}
