import { describe, expect, test } from 'vitest'
import { coverageNote, deliveryText } from '../../src/cli/delivery-text.ts'
import { receiver } from './receiver.ts'
import { gateway, scratch, sluice } from './sluice.ts'
import { standIn } from './stand-in.ts'

interface Line {
  readonly id: string
  readonly event: { readonly id: string }
  readonly state?: string
}

const nowhere = { SLUICE_URL: 'http://127.0.0.1:1' }

const linesOf = (text: string): Line[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line)

describe('sluice deliveries', () => {
  test('tells what was not delivered and why, and has it tried again', async () => {
    let status = 500
    const target = await receiver(() => status)
    const { url } = await gateway(['dev'], { cwd: scratch() })
    const env = { SLUICE_URL: url }
    const run = async (...words: string[]) => {
      const { code, stdout, stderr } = await sluice(['deliveries', ...words], { env })
      return { code, stderr, lines: linesOf(stdout) }
    }
    await sluice(['subscribe', 'a', target.url, '--name', 'mine', '--retry', 'none'], { env })
    const headers = { 'content-type': 'application/json' }
    for (const id of ['1', '2', '3']) {
      const answer = await fetch(`${url}/v1/topics/a/events?id=${id}`, { method: 'POST', headers, body: '{"n":1.0}' })
      expect(answer.status).toBe(200)
    }
    let dead: Line[] = []
    while (dead.length < 3)
      dead = (await run('list', '--subscription', 'mine', '--status', 'dead', '--since', '1h')).lines
    expect(new Set(dead.map(({ event }) => event.id))).toEqual(new Set(['1', '2', '3']))
    expect((await run('list', '--event', '2', '--topic', 'a')).lines).toHaveLength(1)
    expect((await run('list', '-n', '2')).lines).toHaveLength(2)
    const shown = await sluice(['deliveries', 'show', dead[0]!.id], { env })
    expect(shown.stdout).toContain('{"n":1.0}')
    expect(JSON.parse(shown.stdout)).toMatchObject({ status: 'dead', history: [{ number: 1, status: 500 }] })
    status = 200
    const [first, ...others] = dead as [Line, Line, Line]
    expect((await run('retry', first.id)).code).toBe(0)
    await target.until(4)
    const ids = ['redrive', '--subscription', 'mine', '--ids', others[0]!.id, '--wait']
    expect(await run(...ids)).toMatchObject({ code: 0, stderr: '' })
    await target.until(5)
    const all = await run('redrive', '--subscription', 'mine', '--all', '--wait')
    expect(all.lines.at(-1)).toMatchObject({ kind: 'redrive', state: 'succeeded', done: 1, failed: 0 })
    expect(target.received).toHaveLength(6)
    expect((await run('list', '--status', 'dead')).lines).toEqual([])
    expect((await run('show', 'dlv_none')).code).toBe(3)
  })

  test('asks for what its options say', async () => {
    const operation = { id: 'op_1', kind: 'redrive', state: 'running', done: 0, failed: 0 }
    const { url, asked } = await standIn(({ path, query }) => {
      if (path.endsWith('/redrive')) return operation
      return { items: [{ id: query.cursor ?? 'dlv_0' }], coverage: 'problems', next: 'dlv_1' }
    })
    const env = { SLUICE_URL: url }
    const words = ['--subscription', 'sub_1', '--topic', 'a', '--event', 'e', '--status', 'parked', '-n', '2']
    const listed = await sluice(['deliveries', 'list', ...words, '--since', '2026-01-31T12:00:00Z'], { env })
    expect(listed).toEqual({ code: 0, stdout: '{"id":"dlv_0"}\n{"id":"dlv_1"}\n', stderr: '' })
    const query = { subscription: 'sub_1', topic: 'a', event: 'e', status: 'parked', since: '2026-01-31T12:00:00Z' }
    expect(asked.map((one) => one.query)).toEqual([
      { ...query, limit: '2' },
      { ...query, limit: '1', cursor: 'dlv_1' },
    ])
    const redrive = ['deliveries', 'redrive', '--subscription', 'sub_1']
    const started = await sluice([...redrive, '--ids', 'a,b', '--ids', 'c', '--rate', '5'], { env })
    expect(started).toEqual({ code: 0, stdout: `${JSON.stringify(operation)}\n`, stderr: '' })
    const body = { subscription: 'sub_1', status: 'dead' }
    expect(asked.at(-1)!.body).toEqual({ ...body, ids: ['a', 'b', 'c'], ratePerSecond: 5 })
    await sluice([...redrive, '--all'], { env })
    expect(asked.at(-1)!.body).toEqual({ ...body, all: true })
    await sluice([...redrive, '--since', '30m'], { env })
    const { since } = asked.at(-1)!.body as { since: string }
    expect(Math.abs(Date.now() - 1_800_000 - Date.parse(since))).toBeLessThan(60_000)
  })

  test('tells people what a list lacks, unless they asked for a status', () => {
    expect(coverageNote('problems', undefined)).toContain('are not recorded')
    expect(coverageNote('problems', 'dead')).toBeUndefined()
    expect(coverageNote('all', undefined)).toBeUndefined()
  })

  test('shows people every attempt and the event, as it is', () => {
    const at = (second: number) => `2026-01-31T12:00:0${second}.000Z`
    const head = {
      id: 'dlv_1',
      subscription: 'sub_1',
      topic: 'a',
      status: 'parked',
      attempts: 2,
      dueAt: at(9),
      createdAt: at(1),
      updatedAt: at(3),
      history: [
        {
          number: 1,
          at: at(1),
          durationMs: 12.6,
          status: 500,
          body: 'no\nway',
          error: 'It answered 500.',
          stage: 'response',
        },
        { number: 2, at: at(2), durationMs: 1000, error: 'Connection refused.', stage: 'connect' },
      ],
    }
    const event = '{"specversion":"1.0","id":"e","source":"/s","type":"t","data":{"n":12345678901234567890}}'
    const text = deliveryText(`${JSON.stringify(head).slice(0, -1)},"event":${event}}`)
    expect(text.split('\n')).toEqual([
      'delivery     dlv_1',
      'is           parked after 2 attempts, next 2026-01-31T12:00:09.000Z',
      'event        t e from /s',
      'topic        a',
      'subscription sub_1',
      'began        2026-01-31T12:00:01.000Z',
      'changed      2026-01-31T12:00:03.000Z',
      '',
      '#  time                      took    status  stage     what was said',
      '1  2026-01-31T12:00:01.000Z  13ms    500     response  It answered 500. "no\\nway"',
      '2  2026-01-31T12:00:02.000Z  1000ms  -       connect   Connection refused.',
      '',
      '{',
      '  "specversion": "1.0",',
      '  "id": "e",',
      '  "source": "/s",',
      '  "type": "t",',
      '  "data": {',
      '    "n": 12345678901234567890',
      '  }',
      '}',
    ])
  })

  test('says by its exit code what went wrong', async () => {
    const codes: [number, string[]][] = [
      [2, []],
      [2, ['show']],
      [2, ['list', '--status', 'lost']],
      [2, ['list', '--limit', '0']],
      [2, ['redrive', '--all']],
      [2, ['redrive', '--subscription', 'sub_1']],
      [2, ['redrive', '--subscription', 'sub_1', '--all', '--since', '1h']],
      [2, ['redrive', '--subscription', 'sub_1', '--all', '--rate', 'fast']],
      [4, ['list']],
      [4, ['show', 'dlv_1']],
      [4, ['redrive', '--subscription', 'sub_1', '--all']],
    ]
    for (const verb of ['list', 'redrive']) {
      const words = ['deliveries', verb, '--subscription', 'mine', '--since', 'yesterday']
      const { code, stderr } = await sluice(words, { env: nowhere })
      expect(stderr).toMatch(/--since must be a time like .*1h for an hour ago.*not yesterday/)
      expect(code).toBe(2)
    }
    for (const [code, words] of codes) {
      expect((await sluice(['deliveries', ...words], { env: nowhere })).code, words.join(' ')).toBe(code)
    }
  })
})
