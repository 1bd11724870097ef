import { expect, test } from 'vitest'
import { capabilitiesOf } from '../../../adapters/sqs/capabilities.ts'
import { config } from '../../../adapters/sqs/config.ts'

const base = { type: 'sqs', region: 'eu-west-1' }
const capabilities = (more: object) => capabilitiesOf(config.parse({ ...base, ...more }))

test('capabilities are those of the mode', () => {
  expect(capabilities({})).toMatchObject({
    ...{ groups: 'one', ordering: 'none', exclusiveKeys: false, fencing: 'none' },
    ...{ dedupWindowMs: 0, publishDelayMs: 900_000, durability: 'replicated' },
  })
  expect(capabilities({ fifo: true })).toMatchObject({
    ...{ groups: 'one', ordering: 'key', exclusiveKeys: true, fencing: 'deadline' },
    ...{ dedupWindowMs: 300_000, publishDelayMs: 0 },
  })
  expect(capabilities({ sns: true })).toMatchObject({ groups: 'many', publishDelayMs: 0, ordering: 'none' })
})

test('an event that is all binary fits into a message of the documented size', () => {
  for (const [more, limit] of [
    [{}, 1 << 20],
    [{ sns: true }, 256 << 10],
    [{ sns: true, maxMessageSize: '1MiB' }, 1 << 20],
  ] as const) {
    const { maxEventBytes } = capabilities(more)
    expect(Math.ceil(maxEventBytes / 3) * 4).toBeLessThanOrEqual(limit)
  }
})

test('what is behind another endpoint promises no more than to outlive the gateway', () => {
  expect(capabilities({ endpoint: 'http://127.0.0.1:9324' }).durability).toBe('process')
  expect(capabilities({ endpoint: 'https://sqs-fips.us-east-1.amazonaws.com' }).durability).toBe('replicated')
  expect(capabilities({ endpoint: 'https://amazonaws.com.example.org' }).durability).toBe('process')
})

test.each([
  [{ region: 'Ireland' }, 'must be a region'],
  [{ endpoint: 'http://user:pass@127.0.0.1' }, 'must not hold credentials'],
  [{ endpoint: 'ftp://127.0.0.1' }, 'endpoint'],
  [{ credentials: { accessKeyId: '', secretAccessKey: 'x' } }, 'must not be empty'],
  [{ maxMessageSize: '2MiB' }, 'must be a size'],
  [{ requestTimeout: '1s' }, 'must be a duration'],
  [{ bogus: 1 }, 'bogus'],
])('%j is refused', (more, why) => {
  const { success, error } = config.safeParse({ ...base, ...more })
  expect(success).toBe(false)
  expect(JSON.stringify(error?.issues)).toContain(why)
})
