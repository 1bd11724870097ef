import { describe, expect, test } from 'vitest'
import { progressText } from '../../src/cli/progress.ts'
import { receiver } from './receiver.ts'
import { gateway, mainFile, post, scratch, sluice, start } from './sluice.ts'
import { standIn } from './stand-in.ts'

const nowhere = { SLUICE_URL: 'http://127.0.0.1:1' }

const linesOf = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)

const operation = { id: 'op_1', kind: 'replay', subscription: 'sub_1', state: 'running', done: 0, failed: 0 }

describe('sluice replay', () => {
  test('counts, then sends a part of the log again, marked', async () => {
    const target = await receiver()
    const { url } = await gateway(['dev'], { cwd: scratch() })
    const env = { SLUICE_URL: url }
    for (const [i, type] of ['one', 'two', 'one'].entries()) {
      await post(`${url}/v1/topics/a/events?id=${i}&type=${type}`, i)
    }
    await sluice(['subscribe', 'a', target.url, '--name', 'mine'], { env })
    const words = ['replay', 'mine', '--from', '1h', '--filter-type', 'one']
    const counted = await sluice([...words, '--dry-run', '--wait'], { env })
    expect(counted).toMatchObject({ code: 0, stderr: '' })
    expect(linesOf(counted.stdout).at(-1)).toMatchObject({ state: 'succeeded', dryRun: true, matched: 2 })
    expect(target.received).toEqual([])
    const done = await sluice([...words, '--wait'], { env })
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(linesOf(done.stdout).at(-1)).toMatchObject({ state: 'succeeded', matched: 2, done: 2, failed: 0 })
    expect(target.received.map(({ body }) => (JSON.parse(body) as { id: string }).id)).toEqual(['0', '2'])
    for (const { headers } of target.received) expect(headers['webhook-replay']).toBeDefined()
  })

  test('paused, resumed and cancelled by its operation', async () => {
    const target = await receiver()
    const { url } = await gateway(['dev'], { cwd: scratch() })
    const env = { SLUICE_URL: url }
    for (let i = 0; i < 50; i++) await post(`${url}/v1/topics/a/events`, i)
    await sluice(['subscribe', 'a', target.url, '--name', 'mine'], { env })
    // So slow that it cannot be over before it is cancelled.
    const started = await sluice(['replay', 'mine', '--from', 'earliest', '--rate', '0.5'], { env })
    const [{ id }] = linesOf(started.stdout) as [{ id: string }]
    const of = async (verb: string) => linesOf((await sluice(['operations', verb, id], { env })).stdout)[0]
    expect(await of('pause')).toMatchObject({ id, state: 'paused' })
    expect(await of('resume')).toMatchObject({ id, state: 'running' })
    expect(await of('cancel')).toMatchObject({ id, state: 'cancelled' })
    expect(await of('show')).toMatchObject({ id, kind: 'replay', state: 'cancelled' })
    expect((await sluice(['operations', 'resume', id], { env })).code).toBe(3)
    expect((await sluice(['operations', 'show', id, '--wait'], { env })).code).toBe(1)
  })

  test('asks for what its options say', async () => {
    const { url, asked } = await standIn(() => operation)
    const words = ['replay', 'sub_1', '--url', url, '--from', 'earliest', '--to', '2026-01-31T12:00:00Z']
    const { code, stdout } = await sluice([...words, '--filter-type', 't', '--rate', '2', '--dry-run'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${JSON.stringify(operation)}\n` })
    const body = { subscription: 'sub_1', from: 'earliest', to: '2026-01-31T12:00:00Z' }
    const more = { filters: [{ exact: { type: 't' } }], ratePerSecond: 2, dryRun: true }
    expect(asked).toEqual([{ method: 'POST', path: '/v1/replays', query: {}, body: { ...body, ...more } }])
  })

  test('says by its exit code what went wrong', async () => {
    expect((await sluice(['replay', 'sub_1'], { env: nowhere })).code).toBe(2)
    expect((await sluice(['replay', '--from', 'earliest'], { env: nowhere })).code).toBe(2)
    expect((await sluice(['replay', 'sub_1', '--from', '1h', '--rate', '0'], { env: nowhere })).code).toBe(2)
    expect((await sluice(['replay', 'sub_1', '--from', '1h'], { env: nowhere })).code).toBe(4)
    const said = async (...words: string[]) => {
      const { code, stderr } = await sluice(['replay', 'mine', ...words], { env: nowhere })
      expect(code).toBe(2)
      return stderr
    }
    expect(await said('--from', 'latest')).toMatch(
      /--from must be earliest, a cursor, .*1h for an hour ago.*not latest/,
    )
    expect(await said('--from', '1h', '--to', 'c1.x')).toMatch(/--to must be latest, .*1h for an hour ago.*not c1\.x/)
    expect(await said('--from', '1s', '--to', '1h')).toContain('--to 1h is before --from 1s; 1h is an hour ago.')
    expect((await sluice(['replay', 'sub_1', '--from', 'c1.x', '--to', '1h'], { env: nowhere })).code).toBe(4)
    expect((await sluice(['operations', 'stop', 'op_1'], { env: nowhere })).code).toBe(2)
    expect((await sluice(['operations', 'show', 'op_1'], { env: nowhere })).code).toBe(4)
  })
})

describe('following an operation', () => {
  /** What `operations show --wait` makes of an operation that goes through these states, one a request. */
  async function following(states: readonly object[]) {
    const left = [...states]
    const { url, asked } = await standIn(() => {
      const more = left.length > 1 ? left.shift() : left[0]
      return more === broken ? undefined : { ...operation, ...more }
    })
    const ended = await sluice(['operations', 'show', 'op_1', '--wait'], { env: { SLUICE_URL: url } })
    return { ...ended, asked }
  }
  const broken = {}

  test('prints a line for each change, and ends with it', async () => {
    const states = [{}, {}, { matched: 4, done: 1 }, { matched: 4, done: 4, state: 'succeeded' }]
    const { code, stdout, stderr } = await following(states)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(linesOf(stdout).map(({ state, done }) => [state, done])).toEqual([
      ['running', 0],
      ['running', 1],
      ['succeeded', 4],
    ])
  })

  test('fails where the operation failed, was cancelled, or left deliveries undone', async () => {
    expect((await following([{ state: 'failed', error: 'gone' }])).code).toBe(1)
    expect((await following([{ state: 'paused' }, { state: 'cancelled' }])).code).toBe(1)
    const { code, stderr } = await following([{ state: 'succeeded', matched: 3, done: 1, failed: 2 }])
    expect(code).toBe(1)
    expect(stderr).toContain('2 deliveries failed')
  })

  test('goes on when the gateway was away', async () => {
    const { code, stderr } = await following([{}, broken, broken, { state: 'succeeded', done: 1 }])
    expect(code).toBe(0)
    expect(stderr).toMatch(/is away.*is back/s)
  })

  test('leaves it running at Ctrl-C, and says how to end it', async () => {
    const { url, asked } = await standIn(() => operation)
    const started = start(process.execPath, [mainFile, 'replay', 'sub_1', '--from', '1h', '--wait', '--url', url])
    await started.until(/"running"/)
    const { code, stderr } = await started.stop('SIGINT')
    expect(code).toBe(1)
    expect(stderr).toContain('sluice operations cancel op_1')
    expect(asked.every(({ path }) => !path.includes('cancel'))).toBe(true)
  })

  test('fills a bar as far as it is known', () => {
    expect(progressText({ done: 7, failed: 0 }, 'running')).toBe(`${'░'.repeat(30)} 7`)
    expect(progressText({ matched: 4, done: 1, failed: 1 }, 'paused')).toBe(
      `${'█'.repeat(15)}${'░'.repeat(15)} 50% 2 of 4, 1 failed (paused)`,
    )
    expect(progressText({ matched: 0, done: 0, failed: 0 }, 'running')).toContain('0% 0 of 0')
  })
})
