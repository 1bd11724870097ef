import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Keys } from './tls.ts'
import { audience, issuer } from './token.ts'

export interface Ports {
  readonly plaintext: number
  readonly sasl: number
  readonly mtls: number
  readonly oauth: number
  readonly controller: number
}

export const users = {
  plain: { username: 'alice', password: 'alice-secret' },
  scram: { username: 'bob', password: 'bob-secret' },
}

const security = 'org.apache.kafka.common.security'
const address = (port: number): string => `127.0.0.1:${port}`

function listeners(ports: Ports): Record<string, string> {
  const clients = Object.entries({
    PLAINTEXT: ports.plaintext,
    SASL: ports.sasl,
    MTLS: ports.mtls,
    OAUTH: ports.oauth,
  }).map(([name, port]) => `${name}://${address(port)}`)
  return {
    listeners: [...clients, `CONTROLLER://${address(ports.controller)}`].join(),
    'advertised.listeners': clients.join(),
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SASL:SASL_SSL,MTLS:SSL,OAUTH:SASL_SSL,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
  }
}

function identities(keys: Keys): Record<string, string> {
  const { username, password } = users.plain
  const scram = `${security}.scram.ScramLoginModule required;`
  const oauth = 'listener.name.oauth.oauthbearer.sasl'
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': keys.broker,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': keys.ca,
    'listener.name.mtls.ssl.client.auth': 'required',
    'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.sasl.plain.sasl.jaas.config': `${security}.plain.PlainLoginModule required user_${username}="${password}";`,
    'listener.name.sasl.scram-sha-256.sasl.jaas.config': scram,
    'listener.name.sasl.scram-sha-512.sasl.jaas.config': scram,
    'listener.name.oauth.sasl.enabled.mechanisms': 'OAUTHBEARER',
    [`${oauth}.jaas.config`]: `${security}.oauthbearer.OAuthBearerLoginModule required;`,
    [`${oauth}.server.callback.handler.class`]: `${security}.oauthbearer.OAuthBearerValidatorCallbackHandler`,
    [`${oauth}.oauthbearer.jwks.endpoint.url`]: pathToFileURL(keys.jwks).href,
    [`${oauth}.oauthbearer.expected.audience`]: audience,
    [`${oauth}.oauthbearer.expected.issuer`]: issuer,
  }
}

function replication(nodes: number): Record<string, string> {
  const replicas = String(nodes)
  const inSync = nodes === 1 ? '1' : '2'
  return {
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'unclean.leader.election.enable': 'false',
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': '3',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': '3',
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
  }
}

/** The text of server.properties for node `id` of as many nodes as `all` has. */
export function serverProperties(id: number, all: readonly Ports[], folder: string, keys: Keys, extra: object): string {
  const own = all[id - 1]
  if (own === undefined) throw new RangeError(`No node ${id} of ${all.length}`)
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': String(id),
    'controller.quorum.voters': all.map((ports, index) => `${index + 1}@${address(ports.controller)}`).join(),
    ...listeners(own),
    ...identities(keys),
    'log.dirs': join(folder, 'data'),
    ...replication(all.length),
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'broker.session.timeout.ms': '6000',
    'broker.heartbeat.interval.ms': '1000',
    'log.cleaner.dedupe.buffer.size': '16777216',
    'log.cleaner.backoff.ms': '200',
    'num.network.threads': '2',
    'num.io.threads': '4',
    ...extra,
  }
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}
