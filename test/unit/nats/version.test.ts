import { expect, test } from 'vitest'
import { checkVersion } from '../../../adapters/nats/capabilities.ts'

test.each(['2.10.0', '2.10.27', '2.11.0', '2.12.1', '2.12.15', '2.15.2', '3.0.0'])(
  'nats-server %s is spoken to',
  (version) => {
    expect(() => checkVersion(version)).not.toThrow()
  },
)

test.each([
  ['1.4.1', /too old: 2\.10/],
  ['2.9.25', /too old: 2\.10/],
  ['2.12.0', /upgrade to 2\.12\.1/],
  ['2.12.0-RC.1', /upgrade to 2\.12\.1/],
])('nats-server %s is refused, with the version that is needed', (version, words) => {
  expect(() => checkVersion(version)).toThrow(
    expect.objectContaining({ code: 'misconfigured', message: expect.stringMatching(words) }),
  )
})
