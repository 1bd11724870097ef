// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to the environment look like that.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig, loadKeys } from '../../../src/config/load.ts'
import { ConfigError } from '../../../src/config/problems.ts'
import { type Config, limitsOf } from '../../../src/config/schema.ts'
import { defaultLimits } from '../../../src/core/limits.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

async function load(text: string, environment: Record<string, string> = {}, name = 'c.yaml'): Promise<Config> {
  writeFileSync(join(folder, name), text)
  return (await loadConfig(join(folder, name), environment, { shown: name })).config
}

/** What is wrong, a line each. */
async function faults(text: string, environment: Record<string, string> = {}, name = 'c.yaml'): Promise<string[]> {
  const error: unknown = await load(text, environment, name).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ConfigError)
  return (error as ConfigError).message.split('\n')
}

const contract = `
listen: { host: 127.0.0.1, port: 8080 }
brokers:
  main:  { type: kafka, bootstrap: [127.0.0.1:9092], acks: all }
  jobs:  { type: rabbitmq, url: amqp://127.0.0.1:5672 }
  local: { type: embedded, path: .sluice/log.db }       # or memory: true
topics:
  orders: { broker: main, requires: { replay: true, ordering: key }, ensure: { partitions: 12, replicas: 3, retention: 7d } }
store: { type: sqlite, path: .sluice/store.db }         # postgres, dynamodb
keys: [{ name: ci, hash: sha256:${'0a'.repeat(32)}, scopes: [publish] }]
subscriptions: []
hooks: {}
encryptionKey: \${SLUICE_ENCRYPTION_KEY}                  # secrets at rest
`

describe('a configuration', () => {
  test('may be what the contract shows', async () => {
    const config = await load(contract, { SLUICE_ENCRYPTION_KEY: '0123' })
    expect(config.topics.orders).toEqual({
      broker: 'main',
      requires: { replay: true, ordering: 'key' },
      ensure: { partitions: 12, replicas: 3, retention: { ms: 7 * 86_400_000 } },
    })
    expect(config.brokers.main).toEqual({ type: 'kafka', bootstrap: ['127.0.0.1:9092'], acks: 'all' })
    expect(config.encryptionKey).toBe('0123')
  })

  test('may be empty, and then every default holds', async () => {
    const config = await load('')
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 8080 })
    expect(limitsOf(config)).toEqual(defaultLimits)
  })

  test('sets limits in sizes, durations and numbers', async () => {
    const config = await load('limits: { event: 2MiB, batchBytes: 5000000, idle: 1500ms, wait: 1m, batchEvents: 10 }')
    const set = { event: 2 << 20, batchBytes: 5_000_000, idle: 1500, wait: 60_000, batchEvents: 10 }
    expect(limitsOf(config)).toEqual({ ...defaultLimits, ...set })
  })

  test.each([
    ['lists: []', 'c.yaml:1:1: lists: there is no such field'],
    ['listen: { hosts: x }', 'c.yaml:1:11: listen.hosts: there is no such field'],
    ['listen:\n  port: 70000', 'c.yaml:2:3: listen.port: must be at most 65535'],
    ['brokers: { A: { type: x } }', 'c.yaml:1:12: brokers.A: must be a name of lower-case'],
    ['topics: { a: { broker: b } }', 'c.yaml:1:16: topics.a.broker: there is no broker b'],
    ['topics: { a..b: { broker: b } }', 'c.yaml:1:11: topics["a..b"]: must be lower-case'],
    [
      'brokers: { b: { type: x } }\ntopics: { a: { broker: b, drainFrom: c, abandon: true } }',
      'c.yaml:2:41: topics.a.abandon: contradicts drainFrom',
    ],
    [
      'brokers: { b: { type: x } }\ntopics: { a: { broker: b, drainDeadline: 2h } }',
      'c.yaml:2:27: topics.a.drainDeadline: is nothing without drainFrom',
    ],
    [
      'brokers: { b: { type: x } }\ntopics: { a: { broker: b, requires: { publish: 1 } } }',
      'topics.a.requires.publish: there is no such field',
    ],
    [
      'brokers: { b: { type: x } }\ntopics: { a: { broker: b, ensure: { retention: { age: 1, b: 2 } } } }',
      'topics.a.ensure.retention.b: there is no such field',
    ],
    ['store: { type: mysql, url: x }', 'c.yaml:1:10: store.type: must be sqlite or postgres'],
    ['store: { type: postgres, url: x }', 'c.yaml:1:26: store.url: must be a URL such as postgres://'],
    ['store: { type: postgres, url: "postgres://host" }', 'c.yaml:1:26: store.url: must be a URL such as postgres://'],
    ['store: { type: postgres, path: x }', 'c.yaml:1:26: store.path'],
    ['keys: [{ name: a, hash: abc, scopes: [publish] }]', 'c.yaml:1:19: keys[0].hash: must be sha256:'],
    ['keys: [{ name: a, hash: abc, scopes: [write] }]', 'keys[0].scopes[0]: must be publish, consume'],
    ['subscriptions: [{ topic: a, url: b }]', 'c.yaml:1:17: subscriptions[0].name: is required'],
    ['subscriptions: [{ name: a, topic: B, url: c }]', 'c.yaml:1:28: subscriptions[0].topic: must be lower-case'],
    [
      'subscriptions: [{ name: a, topic: b, url: c }, { name: a, topic: b, url: c }]',
      'c.yaml:1:50: subscriptions[1].name: is the name of another',
    ],
    ['limits: { idle: 30 }', 'c.yaml:1:11: limits.idle: must be a duration'],
    ['limits: { event: 1KB }', 'limits.event: must be between 1024 and'],
    ['limits: { pull: 1.5 }', 'limits.pull: must be a whole number'],
    ['cors: { origins: [https://a.example/] }', 'cors.origins[0]: must be * or an origin'],
    ['metrics: { public: maybe }', 'metrics.public: must be true or false'],
    ['outbound: { allowPrivate: [10.0.0.1] }', 'outbound.allowPrivate[0]: must be an address range'],
    ['encryptionKey: ""', 'c.yaml:1:1: encryptionKey: must not be empty'],
    ['listen: 8080', 'c.yaml:1:1: listen: must be a map of fields'],
    ['[]', 'c.yaml: must be a map of fields'],
    ['brokers: {}\ntopics: {}\nbrokers: {}', 'c.yaml:3:1: brokers is there twice: put what belongs to it in one place'],
    ['listen: { host: a, "host": b }', 'c.yaml:1:20: host is there twice'],
    ['a: [1', 'c.yaml:1:6: '],
  ])('%s is refused by place and name', async (text, expected) => {
    expect((await faults(text)).join('\n')).toContain(expected)
  })

  test('tells all its faults at once, in their order', async () => {
    const lines = await faults(
      'listen: { port: x }\nencryptionKey: ${NONE}\nbrokers: {}\ntopics: { a: { broker: b } }\nno: 1',
    )
    expect(lines).toEqual([
      'c.yaml:1:11: listen.port: must be a number',
      'c.yaml:2:1: encryptionKey: the environment has no NONE',
      'c.yaml:4:16: topics.a.broker: there is no broker b under brokers: there is none at all',
      'c.yaml:5:1: no: there is no such field',
    ])
  })

  test.each([
    ['topics: {}\nbroker: {}', 'broker: there is no such field. Did you mean brokers?'],
    ['Topics: {}', 'Topics: there is no such field. Did you mean topics?'],
    ['encryption_key: x', 'encryption_key: there is no such field. Did you mean encryptionKey?'],
    ['listen: { prot: 1 }', 'listen.prot: there is no such field. Did you mean port?'],
    ['brokers: { b: { type: x } }\ntopics: { a: { broker: b, ensur: {} } }', 'Did you mean ensure?'],
    ['store: { type: sqlite, pth: x }', 'store.pth: there is no such field. Did you mean path?'],
    ['keys: [{ name: a, hsah: b }]', 'keys[0].hsah: there is no such field. Did you mean hash?'],
  ])('%j: what was meant is said', async (text, expected) => {
    expect((await faults(text)).join('\n')).toContain(expected)
  })

  test('where several fields are unknown, each has what is near to it, and what is near to nothing has nothing', async () => {
    expect(await faults('listen: { hots: x }\nstor: {}\nfar: 1\nconstructor: 1\nlimit: {}')).toEqual([
      'c.yaml:1:11: listen.hots: there is no such field. Did you mean host?',
      'c.yaml:2:1: stor: there is no such field. Did you mean store?',
      'c.yaml:3:1: far: there is no such field',
      'c.yaml:4:1: constructor: there is no such field',
      'c.yaml:5:1: limit: there is no such field. Did you mean limits?',
    ])
  })

  test('never repeats a value, which may be a secret', async () => {
    const secret = 'hunter2'
    const lines = await faults(
      `keys: [{ name: a, hash: ${secret}, scopes: [${secret}] }]\nstore: ${secret}\nlimits: { event: ${secret} }`,
    )
    expect(lines).toHaveLength(4)
    expect(lines.join()).not.toContain(secret)
  })
})

describe('the environment', () => {
  const path = async (text: string, environment: Record<string, string> = {}): Promise<unknown> =>
    (await load(`brokers: { a: { type: embedded, path: ${text} } }`, environment)).brokers.a?.path

  test('is filled in, also inside of braces and among other text', async () => {
    expect(await path('${A}', { A: '/x' })).toBe('/x')
    expect(await path('${A}/log-${B}.db', { A: '/x', B: '1' })).toBe('/x/log-1.db')
    expect(await path('"${A}"', { A: 'a: {b} # "c"' })).toBe('a: {b} # "c"')
    expect(await path('${A:-/default, with a comma}')).toBe('/default, with a comma')
    expect(await path('${A:-/default}', { A: '' })).toBe('/default')
    expect(await path('${A:-}')).toBe('')
    expect(await path('$${A}')).toBe('${A}')
  })

  test('gives numbers and booleans where they are wanted, and texts elsewhere', async () => {
    const text = 'listen: { port: ${P} }\nmetrics: { public: ${B} }\nencryptionKey: ${P}\nlimits: { pull: ${P} }'
    const config = await load(text, { P: '0012', B: 'true' })
    expect(config).toMatchObject({
      listen: { port: 12 },
      metrics: { public: true },
      encryptionKey: '0012',
      limits: { pull: 12 },
    })
    expect(await faults(text, { P: 'x', B: 'yes' })).toHaveLength(3)
    expect(await faults('listen: { port: "80" }')).toHaveLength(1)
  })

  test('is refused by name where it lacks something or is asked wrongly', async () => {
    expect(await faults('encryptionKey: ${MISSING}')).toEqual([
      'c.yaml:1:1: encryptionKey: the environment has no MISSING',
    ])
    expect((await faults('encryptionKey: ${A-b}'))[0]).toContain('is no reference to the environment')
  })
})

test('a secret may be in a file beside the configuration', async () => {
  writeFileSync(join(folder, 'secret'), 'abc\n')
  expect((await load('encryptionKey: { file: secret }')).encryptionKey).toBe('abc')
  expect(await faults('encryptionKey: { file: none }')).toEqual([
    'c.yaml:1:1: encryptionKey: the file none cannot be read (ENOENT)',
  ])
})

test('JSON has places too, and its duplicate names are refused', async () => {
  expect(await faults('{\n  "listen": { "port": -1 }\n}', {}, 'c.json')).toEqual([
    'c.json:2:15: listen.port: must be at least 0',
  ])
  expect((await faults('{"a": 1,\n "a": 2}', {}, 'c.json'))[0]).toBe(
    'c.json:2:2: a is there twice: put what belongs to it in one place',
  )
})

test('keys are read again alone, whatever else is wrong', async () => {
  const file = join(folder, 'c.yaml')
  writeFileSync(file, `bogus: 1\nkeys: [{ name: a, hash: sha256:${'ab'.repeat(32)}, scopes: [publish] }]`)
  expect(await loadKeys(file, {})).toMatchObject([{ name: 'a' }])
  writeFileSync(file, 'bogus: 1')
  expect(await loadKeys(file, {})).toEqual([])
  writeFileSync(file, 'keys: [{ name: a }]')
  await expect(loadKeys(file, {})).rejects.toThrow(ConfigError)
})
