import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { createSecret } from '../../src/webhook/secret.ts'
import { Signer } from '../../src/webhook/sign.ts'
import { needOpenssl } from '../brokers/services/tool.ts'
import { follow } from './follow.ts'
import { type Attempt, languages, verdicts } from './verifiers.ts'

const [secret, other] = [createSecret(systemClock), createSecret(systemClock)]
const id = 'wh_0a1b2c'
const event = Buffer.from('{"specversion":"1.0","id":"1","type":"t","source":"/s","data":{"n": 1.50, "é":"☃"}}')
const seconds = (away = 0): string => String(Math.floor(Date.now() / 1000) + away)

/** As the gateway signs it. */
function sign(body: Uint8Array, timestamp: string, secrets: readonly string[] = [secret]): string {
  return new Signer(secrets.map((text) => ({ secret: text }))).sign(id, timestamp, body, Date.now())
}

function attempts(): [name: string, attempt: Attempt, right: boolean][] {
  const timestamp = seconds()
  const signature = sign(event, timestamp)
  const right: Attempt = { secret, id, timestamp, signature, body: event }
  const bytes = Uint8Array.of(0, 0xff, 0xfe, 0x0a, 0x80)
  const abc = `${timestamp}abc`
  const at = (text: string): Attempt => ({ ...right, timestamp: text, signature: sign(event, text) })
  return [
    ['what the gateway signed', right, true],
    [
      'what the public library signed',
      { ...right, signature: new Webhook(secret).sign(id, new Date(Number(timestamp) * 1000), String(event)) },
      true,
    ],
    ['bytes that are no text', { ...right, body: bytes, signature: sign(bytes, timestamp) }, true],
    ['an empty body', { ...right, body: new Uint8Array(), signature: sign(new Uint8Array(), timestamp) }, true],
    ['the new secret while both sign', { ...right, signature: sign(event, timestamp, [other, secret]) }, true],
    ['the old secret while both sign', { ...right, signature: sign(event, timestamp, [secret, other]) }, true],
    ['four minutes ago', at(seconds(-240)), true],
    ['six minutes ago', at(seconds(-360)), false],
    ['six minutes ahead', at(seconds(360)), false],
    ['milliseconds', at(`${timestamp}000`), false],
    ['digits and letters', at(abc), false],
    ['another secret', { ...right, secret: other }, false],
    ['another id', { ...right, id: `${id}d` }, false],
    ['another time', { ...right, timestamp: seconds(-1) }, false],
    ['a body written again', { ...right, body: Buffer.from(JSON.stringify(JSON.parse(String(event)))) }, false],
    ['half a signature', { ...right, signature: signature.slice(0, 20) }, false],
    ['another version', { ...right, signature: signature.replace('v1,', 'v2,') }, false],
    ['only the version', { ...right, signature: 'v1,' }, false],
    ['no signature', { ...right, signature: undefined }, false],
    ['no time', { ...right, timestamp: undefined }, false],
    ['no id', { ...right, id: undefined }, false],
  ]
}

describe('the verifier of docs/receive.md', () => {
  // A language that this machine lacks is installed first.
  test.each(Object.entries(languages))('in %s', { timeout: 300_000 }, async (_, language) => {
    // What is slow, once before: the times of the attempts are as fresh as a sender's.
    await verdicts(
      language,
      attempts()
        .slice(0, 1)
        .map(([, attempt]) => attempt),
    )
    const all = attempts()
    const found = await verdicts(
      language,
      all.map(([, attempt]) => attempt),
    )
    expect(Object.fromEntries(all.map(([name], i) => [name, found[i]]))).toEqual(
      Object.fromEntries(all.map(([name, , right]) => [name, right])),
    )
  })
})

test('every command of docs/receive.md', { timeout: 120_000 }, async () => {
  await needOpenssl()
  await follow('docs/receive.md')
})
