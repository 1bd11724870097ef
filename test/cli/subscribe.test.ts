import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { subscriptionLine } from '../../src/cli/subscription-line.ts'
import { subscriptionForm } from '../../src/http/subscription-forms.ts'
import { receiver } from './receiver.ts'
import { gateway, post, scratch, sluice } from './sluice.ts'
import { standIn } from './stand-in.ts'

interface Subscribed {
  readonly id: string
  readonly secret: string
}

const nowhere = { SLUICE_URL: 'http://127.0.0.1:1' }

describe('sluice subscribe', () => {
  test('makes a subscription that delivers, and shows its secret once', async () => {
    const target = await receiver()
    const { url } = await gateway(['dev'], { cwd: scratch() })
    const env = { SLUICE_URL: url }
    const words = ['subscribe', 'a', target.url, '--name', 'mine', '--filter-type', 'one', '--header', 'X-Tenant: 7']
    const { code, stdout, stderr } = await sluice(words, { env })
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'This is the only time that the secret is shown.\n' })
    const { id, secret } = JSON.parse(stdout) as Subscribed
    expect(id).toMatch(/^sub_/)
    for (const type of ['two', 'one']) await post(`${url}/v1/topics/a/events?type=${type}&id=${type}`, 1)
    await target.until(1)
    const [{ body, headers }] = target.received as [(typeof target.received)[0]]
    expect(headers['x-tenant']).toBe('7')
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toMatchObject({ id: 'one' })
    const shown = await sluice(['subscriptions', 'show', 'mine'], { env })
    expect(shown.stdout).not.toContain(secret)
    expect(JSON.parse(shown.stdout)).toMatchObject({ id, name: 'mine', filters: [{ exact: { type: 'one' } }] })
    expect((await sluice(words, { env })).code).toBe(3)
  })

  test('asks for what its options say', async () => {
    const cwd = scratch()
    writeFileSync(join(cwd, 'filter.json'), '[{"prefix":{"subject":"a"}},{"not":{"exact":{"source":"/x"}}}]')
    writeFileSync(join(cwd, 'token.txt'), 'hidden-token\n')
    const { url, asked } = await standIn(() => ({ id: 'sub_1', secret: 'whsec_1', warnings: ['Mind the mode.'] }))
    const words = [
      ...['subscribe', 'a', 'https://shop.example/hooks', '--url', url, '--mode', 'binary', '--ordering', 'key'],
      ...['--filter-type', 'one', '--filter-type', 'two', '--filter', 'filter.json'],
      ...['--filter', '{"data":{"/n":1}}', '--header', 'X-A: b:c', '--header', 'X-B:d', '--bearer', '@token.txt'],
      ...['--start', '1h', '--retry', '5s,1m', '--timeout', '2s', '--concurrency', '3', '--rate', '0.5'],
      ...['--label', 'team=a=b', '--label', 'tier=', '--secret', `whsec_${'A'.repeat(32)}`],
    ]
    const { code, stderr } = await sluice(words, { cwd })
    expect(code).toBe(0)
    expect(stderr).toContain('Mind the mode.')
    const { method, path, body } = asked[0]!
    expect(`${method} ${path}`).toBe('POST /v1/subscriptions')
    const form = subscriptionForm.parse(body)
    const { start, ...rest } = body as { start: string }
    expect(Math.abs(Date.now() - 3_600_000 - Date.parse(start))).toBeLessThan(60_000)
    expect(rest).toEqual({
      topic: 'a',
      url: 'https://shop.example/hooks',
      mode: 'binary',
      ordering: 'key',
      filters: [
        { any: [{ exact: { type: 'one' } }, { exact: { type: 'two' } }] },
        { prefix: { subject: 'a' } },
        { not: { exact: { source: '/x' } } },
        { data: { '/n': 1 } },
      ],
      headers: { 'X-A': 'b:c', 'X-B': 'd' },
      auth: { bearer: 'hidden-token' },
      policy: { timeout: '2s', retry: { schedule: ['5s', '1m'] }, concurrency: 3, ratePerSecond: 0.5 },
      labels: { team: 'a=b', tier: '' },
      secret: `whsec_${'A'.repeat(32)}`,
    })
    expect(form.policy.retry.schedule).toEqual([5000, 60_000])
    await sluice(['subscribe', 'a', 'https://shop.example', '--url', url, '--retry', 'none'])
    expect(asked[1]!.body).toEqual({ topic: 'a', url: 'https://shop.example', policy: { retry: { schedule: [] } } })
    writeFileSync(join(cwd, 'policy.json'), '{"timeout":"9s","noRetry":[422],"breaker":{"minimum":5}}')
    const given = ['subscribe', 'a', 'https://shop.example', '--url', url, '--policy', '@policy.json']
    await sluice([...given, '--timeout', '2s'], { cwd })
    const policy = { timeout: '2s', noRetry: [422], breaker: { minimum: 5 } }
    expect(asked[2]!.body).toEqual({ topic: 'a', url: 'https://shop.example', policy })
  })

  test('says what is wrong with its options, before it asks anybody', async () => {
    const wrong: Record<string, string[]> = {
      '--retry must be durations with commas between them, like': ['--retry', '1s 1s'],
      'and not 5s,soon.': ['--retry', '5s,soon'],
      '--start must be earliest, latest, a cursor, a time like 2026-01-31T12:00:00Z, or 1h for an hour ago': [
        '--start',
        'yesterday',
      ],
      'and not 999999999999d.': ['--start', '999999999999d'],
      '--timeout must be a duration': ['--timeout', '5'],
      '--concurrency must be a whole number': ['--concurrency', '0'],
      '--rate must be a number above 0': ['--rate', '-1'],
      '--header must be like': ['--header', 'nothing'],
      '--header X-A is given twice': ['--header', 'X-A: 1', '--header', 'X-A: 2'],
      '--label must be like': ['--label', '=x'],
      '--filter must be JSON': ['--filter', '{no json'],
      '--policy must be an object in JSON': ['--policy', '{no json'],
      'or @file that holds one': ['--policy', '[422]'],
      '--mode <mode>': ['--mode', 'other'],
      '--ordering <order>': ['--ordering', 'topic'],
    }
    for (const [said, words] of Object.entries(wrong)) {
      const { code, stderr } = await sluice(['subscribe', 'a', 'https://shop.example', ...words], { env: nowhere })
      expect(stderr).toContain(said)
      expect(code, said).toBe(2)
    }
    expect((await sluice(['subscribe', 'a'], { env: nowhere })).code).toBe(2)
    expect((await sluice(['subscribe', 'a', 'https://shop.example', '--filter', 'missing.json'])).code).toBe(1)
    expect((await sluice(['subscribe', 'a', 'https://shop.example'], { env: nowhere })).code).toBe(4)
  })
})

describe('sluice subscriptions', () => {
  test('lists, pauses, resumes, tests, rotates and deletes', async () => {
    let status = 204
    const target = await receiver(() => status)
    const { url } = await gateway(['dev'], { cwd: scratch() })
    const env = { SLUICE_URL: url }
    const of = async (...words: string[]) => {
      const { code, stdout, stderr } = await sluice(['subscriptions', ...words], { env })
      return {
        code,
        stderr,
        lines: stdout
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as Subscribed),
      }
    }
    const { id, secret } = JSON.parse(
      (await sluice(['subscribe', 'a', target.url, '--name', 'mine'], { env })).stdout,
    ) as Subscribed
    await sluice(['subscribe', 'b', target.url], { env })
    expect((await of('list')).lines).toHaveLength(2)
    expect((await of('list', '--topic', 'a')).lines).toMatchObject([{ id, name: 'mine', topic: 'a' }])
    expect((await of('pause', 'mine')).lines).toMatchObject([{ id, status: 'paused' }])
    expect((await of('resume', id)).lines).toMatchObject([{ id, status: 'active' }])
    expect(await of('test', 'mine')).toMatchObject({ code: 0, lines: [{ ok: true, status: 204 }] })
    status = 500
    const failed = await of('test', 'mine')
    expect(failed).toMatchObject({ code: 1, lines: [{ ok: false, status: 500 }] })
    expect(failed.stderr).toContain('did not take it')
    const rotated = await of('rotate-secret', 'mine', '--grace', '1h')
    expect(rotated.lines[0]!.secret).toMatch(/^whsec_/)
    expect(rotated.lines[0]!.secret).not.toBe(secret)
    expect((await of('delete', 'mine')).lines).toEqual([{ id, deleted: true, pending: 0, dead: 0 }])
    expect((await of('show', id)).code).toBe(3)
    expect((await of('list')).lines).toHaveLength(1)
  })

  test('are updated by a merge patch', async () => {
    const { url } = await gateway(['dev'], { cwd: scratch() })
    const { id } = (await (
      await post(`${url}/v1/subscriptions`, { topic: 'a', url: 'http://127.0.0.1:3000/', name: 'mine' })
    ).json()) as Subscribed
    const update = (patch: string) =>
      sluice(['subscriptions', 'update', 'mine', '--patch', patch], { env: { SLUICE_URL: url } })
    const { stdout } = await update('{"policy":{"noRetry":[422]},"labels":{"team":"a"}}')
    const updated = { id, labels: { team: 'a' }, policy: { noRetry: [422], timeout: '15s' } }
    expect(JSON.parse(stdout)).toMatchObject(updated)
    expect(await update('{"labels":null,"topic":"b"}')).toMatchObject({ code: 3, stdout: '' })
    expect(await (await fetch(`${url}/v1/subscriptions/${id}`)).json()).toMatchObject(updated)
  })

  test('are deleted with word of what is dropped, counted over all pages before', async () => {
    const { url, asked } = await standIn(({ method, path, query }) => {
      if (method === 'DELETE') return {}
      if (path === '/v1/subscriptions/sub_1') return { pending: { events: 7 } }
      return query.cursor === 'dlv_2' ? { items: [{}] } : { items: [{}, {}], next: 'dlv_2' }
    })
    const { stdout } = await sluice(['subscriptions', 'delete', 'sub_1'], { env: { SLUICE_URL: url } })
    expect(JSON.parse(stdout)).toEqual({ id: 'sub_1', deleted: true, pending: 7, dead: 3 })
    expect(asked.at(-1)).toMatchObject({ method: 'DELETE', path: '/v1/subscriptions/sub_1' })
    expect(asked[1]).toMatchObject({ path: '/v1/deliveries', query: { subscription: 'sub_1', status: 'dead' } })
  })

  test('show people what is not as it should be, and nothing where all is', () => {
    const fine = {
      ...{ id: 'sub_1', name: 'mine', topic: 'a', url: 'https://x.example', status: 'active' },
      ...{ feed: 'attached', state: { breaker: 'closed' }, pending: { events: 0 } },
    }
    const at = Date.parse('2026-01-31T12:00:00Z')
    const line = 'sub_1 mine active a → https://x.example'
    expect(subscriptionLine(fine, at)).toBe(line)
    const failing = { ...fine, state: { breaker: 'open' }, failingSince: '2026-01-31T08:30:00Z', feed: 'detached' }
    expect(subscriptionLine({ ...failing, pending: { events: 7 } }, at)).toBe(
      `${line} · breaker open · failing for 3h · detached · 7 pending`,
    )
    const probing = { ...fine, state: { breaker: 'half-open' }, failingSince: '2026-01-31T11:59:30Z' }
    expect(subscriptionLine(probing, at)).toBe(`${line} · breaker half-open · failing for 30s`)
    const disabled = { ...fine, status: 'disabled', reason: 'Nothing succeeded.', failingSince: '2026-01-26T12:00:00Z' }
    expect(subscriptionLine(disabled, at)).toBe(
      'sub_1 mine disabled a → https://x.example · failing for 5d · Nothing succeeded.',
    )
  })

  test('are found by name, on whichever page', async () => {
    const one = (i: number) => ({
      id: `sub_${i}`,
      name: `n${i}`,
      topic: 'a',
      url: 'https://x.example',
      status: 'active',
    })
    const { url, asked } = await standIn(({ path, query }) => {
      if (path !== '/v1/subscriptions') return one(3)
      return query.cursor === 'sub_2' ? { items: [one(3)] } : { items: [one(1), one(2)], next: 'sub_2' }
    })
    const env = { SLUICE_URL: url }
    expect((await sluice(['subscriptions', 'show', 'n3'], { env })).code).toBe(0)
    expect(asked.at(-1)!.path).toBe('/v1/subscriptions/sub_3')
    const before = asked.length
    await sluice(['subscriptions', 'show', 'sub_9'], { env })
    expect(asked.slice(before).map(({ path }) => path)).toEqual(['/v1/subscriptions/sub_9'])
  })

  test('says by its exit code what went wrong', async () => {
    expect((await sluice(['subscriptions'], { env: nowhere })).code).toBe(2)
    expect((await sluice(['subscriptions', 'pause'], { env: nowhere })).code).toBe(2)
    expect((await sluice(['subscriptions', 'rotate-secret', 'sub_1', '--grace', 'x'], { env: nowhere })).code).toBe(2)
    for (const patch of [[], ['--patch', 'x'], ['--patch', '[]'], ['--patch', 'null']]) {
      const { code, stderr } = await sluice(['subscriptions', 'update', 'sub_1', ...patch], { env: nowhere })
      expect(stderr).toContain('--patch')
      expect(code).toBe(2)
    }
    expect((await sluice(['subscriptions', 'list'], { env: nowhere })).code).toBe(4)
  })
})

test('what the broker cannot do is told by the capability', async () => {
  const detail = 'This broker gives no exclusive assignment of keys.'
  const { url } = await standIn(() => ({ status: 501, code: 'unsupported', detail, capability: 'exclusiveKeys' }))
  const words = ['subscribe', 'orders', 'https://shop.example/hooks', '--ordering', 'key', '--url', url]
  expect(await sluice(words)).toMatchObject({
    code: 3,
    stdout: '',
    stderr: `sluice: ${detail} (unsupported: exclusiveKeys)\n`,
  })
})
