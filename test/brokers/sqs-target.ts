import { resolve } from 'node:path'
import type { Config } from '../../adapters/sqs/index.ts'
import { sqs } from '../../adapters/sqs/index.ts'
import type { Broker, Capabilities } from '../../src/core/broker.ts'
import type { Target } from '../conformance/index.ts'
import type { Answer, Asked, AwsProxy, Meddler } from './sqs/proxy.ts'

const adapter = resolve(import.meta.dirname, '../../adapters/sqs/index.ts')

export interface Mode {
  readonly sns?: boolean
  readonly fifo?: boolean
}

let opened = 0

/** A configuration whose access key is nobody else's: by it the proxy knows one broker from the other. */
function entryOf(endpoint: string, mode: Mode = {}, more: object = {}) {
  const credentials = { accessKeyId: `AKIA${process.pid}N${++opened}`, secretAccessKey: 'secret' }
  return {
    type: 'sqs',
    region: 'eu-west-1',
    endpoint,
    credentials,
    requestTimeout: '2500ms',
    ...mode,
    ...more,
  } as const
}

export function configOf(endpoint: string, mode: Mode = {}, more: object = {}): Config {
  return sqs.config.parse(entryOf(endpoint, mode, more))
}

/** What both services do with credentials that they do not know; the emulators know no wrong ones. */
function refusedKey({ action }: Asked): Answer {
  const message = 'The security token included in the request is invalid.'
  if (action !== 'ListTopics') {
    const body = { __type: 'com.amazon.coral.service#UnrecognizedClientException', message }
    return { status: 403, body: JSON.stringify(body) }
  }
  const error = `<Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>${message}</Message></Error>`
  return {
    status: 403,
    body: `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">${error}</ErrorResponse>`,
  }
}

const publishing = new Set(['SendMessageBatch', 'PublishBatch'])

/** SQS as the suite runs it, in one of its modes. */
export function sqsTarget(name: string, mode: Mode, proxy: () => AwsProxy, direct: () => string): Target {
  const keys = new WeakMap<Broker, string>()
  const open = async (): Promise<Broker> => {
    const config = configOf(proxy().endpoint, mode)
    const broker = await sqs.open(config)
    keys.set(broker, config.credentials!.accessKeyId)
    return broker
  }
  const meddle = (meddler: Meddler): (() => Promise<void>) => {
    proxy().meddlers.add(meddler)
    return async () => {
      proxy().meddlers.delete(meddler)
    }
  }
  const capabilities: Partial<Capabilities> = {
    settlement: 'individual',
    receipt: 'portable',
    reject: true,
    extend: true,
    attempts: true,
    seek: false,
    replay: false,
    lag: 'approximate',
    atomicPublishMax: 0,
    durability: 'process',
    groups: mode.sns ? 'many' : 'one',
    ...(mode.fifo
      ? { ordering: 'key', exclusiveKeys: true, fencing: 'deadline', dedupWindowMs: 300_000, publishDelayMs: 0 }
      : { ordering: 'none', exclusiveKeys: false, fencing: 'none', dedupWindowMs: 0 }),
  }
  return {
    name,
    capabilities,
    deadlineMs: 30_000,
    open,
    async reopen(broker) {
      await broker.close()
      return open()
    },
    process: () => ({ module: adapter, export: 'sqs', config: configOf(direct(), mode) }),
    async holdAck(broker) {
      const held = Promise.withResolvers<void>()
      const isHeld = ({ key, action }: Asked) => key === keys.get(broker) && publishing.has(action)
      const release = meddle({
        after: async (asked, answer) => {
          if (isHeld(asked)) await held.promise
          return answer
        },
      })
      return async () => {
        held.resolve()
        await release()
      }
    },
    async breakBroker(broker) {
      // The connection ends without an answer.
      return meddle({
        instead: ({ key }) => (key === keys.get(broker) ? Promise.reject(new Error('broken')) : undefined),
      })
    },
    badCredentials() {
      const config = configOf(proxy().endpoint, mode)
      const key = config.credentials!.accessKeyId
      return {
        async open() {
          meddle({ instead: (asked) => (asked.key === key ? refusedKey(asked) : undefined) })
          return sqs.open(config)
        },
        attempts: async () => proxy().requests.get(key) ?? 0,
      }
    },
  }
}
