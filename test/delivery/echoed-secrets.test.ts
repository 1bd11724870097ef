import { describe, expect, test } from 'vitest'
import type { EndpointAuth } from '../../src/core/subscription.ts'
import { answer } from './receiver.ts'
import { newReceiver, newSender, send, subscriptionOf } from './sending.ts'

const canary = 'canary/5d41402abc4b2a76'

/** What is kept of an answer that holds `body`. */
async function kept(body: string, changes: Parameters<typeof subscriptionOf>[1]): Promise<string | undefined> {
  const receiver = await newReceiver()
  receiver.script = answer({ status: 400, body })
  return (await send(newSender(), subscriptionOf(receiver.url, changes))).body
}

describe('an endpoint that sends a secret back', () => {
  test.each<[string, Readonly<Record<string, string>>]>([
    ['without its scheme', { Authorization: `Bearer ${canary}` }],
    ['without the name of its cookie', { Cookie: `theme=dark; session=${canary}` }],
    ['with another one that is a part of it', { 'X-Api-Key': canary.slice(0, 12), 'X-Api-Token': canary }],
  ])('%s', async (_, headers) => {
    expect(await kept(`no such token: ${canary}!`, { headers })).toBe(`no such token: ${'*'.repeat(canary.length)}!`)
  })

  test.each<EndpointAuth>([{ bearer: canary }, { basic: { user: 'u', password: `"${canary}"` } }])(
    'as JSON spells it: %j',
    async (auth) => {
      const secret = 'bearer' in auth ? auth.bearer : `"${canary}"`
      for (const json of [JSON.stringify({ secret }), JSON.stringify({ secret }).replaceAll('/', '\\/')]) {
        expect(await kept(json, { auth })).toMatch(/^\{"secret":"\**"\}$/)
      }
    },
  )

  test('where what is kept ends, in more bytes than characters', async () => {
    const password = 'ü'.repeat(100)
    const body = `${'x'.repeat(930)}${password}`
    expect(await kept(body, { auth: { basic: { user: 'u', password } } })).not.toContain('ü')
  })

  test('in no header that is for secrets: only the whole value is taken out', async () => {
    const headers = { 'X-Team': 'payments platform' }
    expect(await kept('payments platform: platform', { headers })).toBe(`${'*'.repeat(17)}: platform`)
  })
})
