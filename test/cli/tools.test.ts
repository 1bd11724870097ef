import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { greeting } from '../../src/cli/greeting.ts'
import { colours } from '../../src/cli/io.ts'
import { commands } from '../../src/cli/program.ts'
import { gateway, scratch, sluice, start } from './sluice.ts'

let cwd: string

beforeEach(() => {
  cwd = scratch()
})

const config = (topics: string): void => {
  const brokers = 'brokers: { local: { type: embedded, path: data/log.db } }'
  writeFileSync(
    join(cwd, 'sluice.yaml'),
    `${brokers}\nstore: { type: sqlite, path: data/store.db }\ntopics:\n${topics}\n`,
  )
}

interface Finding {
  readonly check: string
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

async function check(...words: string[]): Promise<{ code: number | null; findings: Finding[]; stderr: string }> {
  const { code, stdout, stderr } = await sluice(['check', '-c', 'sluice.yaml', ...words], { cwd })
  const findings = stdout
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Finding)
  return { code, findings, stderr }
}

describe('sluice check', () => {
  test('passes what would start, and makes nothing', async () => {
    config('  a: { broker: local, requires: { replay: true } }')
    const { code, findings } = await check()
    expect(findings.filter(({ ok }) => !ok)).toEqual([])
    expect(findings.map(({ check }) => check)).toEqual(['configuration', 'listen', 'store', 'broker', 'topic'])
    expect(code).toBe(0)
    expect(readdirSync(cwd)).toEqual(['sluice.yaml'])
  })

  test('fails fields by their line, and requirements by topic, broker and capability', async () => {
    config(
      '  a: { broker: local, requires: { durability: replicated } }\n  b: { broker: local, ensure: { replicas: 3 } }',
    )
    const unmet = await check()
    expect(unmet.code).toBe(1)
    const failed = unmet.findings.filter(({ ok }) => !ok)
    expect(failed.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(failed[0]?.detail).toContain('Topic a on broker local: requires capability durability: replicated')
    expect(existsSync(join(cwd, 'data'))).toBe(false)
    config('  a: { broker: local, nam: x }')
    const wrong = await check()
    expect(wrong.code).toBe(1)
    expect(wrong.findings).toMatchObject([{ check: 'field', name: 'topics.a.nam', ok: false, line: 4, column: 23 }])
    expect(wrong.stderr).toContain('sluice.yaml:4:23: topics.a.nam')
  })

  test('fails declared subscriptions by their line, and by what their topic lacks', async () => {
    const one = '{ name: one, topic: a, url: "https://hooks.example.com" }'
    const lost = '{ name: lost, topic: nowhere, url: "https://hooks.example.com" }'
    const near = '{ name: near, topic: a, url: "http://10.0.0.7/hook" }'
    config(`  a: { broker: local }\nsubscriptions: [${one}, ${lost}, ${near}]`)
    const { code, findings } = await check()
    expect(code).toBe(1)
    expect(findings.filter(({ check }) => check === 'subscription')).toMatchObject([
      { name: 'one', ok: true },
      { name: 'lost', ok: false, detail: expect.stringContaining('no topic nowhere') },
      { name: 'near', ok: false, detail: expect.stringContaining('10.0.0.7 is a private network') },
    ])
    config('  a: { broker: local }\nsubscriptions: [{ name: one, topic: a, url: x, policy: { timeout: 15 } }]')
    expect((await check()).findings).toMatchObject([
      { check: 'field', name: 'subscriptions.0.policy.timeout', ok: false, line: 5, column: 58 },
    ])
  })

  test('asks the gateway that holds the broker', async () => {
    config('  a: { broker: local }')
    const { url } = await gateway(['serve', '-c', 'sluice.yaml'], { cwd })
    config(
      '  a: { broker: local, requires: { replay: true } }\n  b: { broker: local, requires: { durability: replicated } }',
    )
    const { code, findings } = await check('--url', url)
    expect(findings.find(({ check }) => check === 'broker')).toMatchObject({
      ok: true,
      detail: `the gateway at ${url} holds it`,
    })
    expect(findings.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['b'])
    expect(code).toBe(1)
    expect((await check('--url', 'http://127.0.0.1:1')).findings.find(({ check }) => check === 'broker')?.ok).toBe(
      false,
    )
  })

  test('sees a topic that would be bound to another broker', async () => {
    config('  a: { broker: local }')
    await (await gateway(['serve', '-c', 'sluice.yaml'], { cwd })).stop()
    config('  a: { broker: local, name: renamed }')
    const { code, findings } = await check()
    expect(findings.find(({ check }) => check === 'topic')).toMatchObject({ name: 'a', ok: false })
    expect(code).toBe(1)
  })
})

test('sluice topics apply makes and changes topics, and says what', async () => {
  config('  a: { broker: local, ensure: { retention: 1d } }')
  const apply = () => sluice(['topics', 'apply', '-c', 'sluice.yaml'], { cwd })
  const first = await apply()
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(first.stdout)).toMatchObject({ topic: 'a', broker: 'local' })
  expect(JSON.parse((await apply()).stdout)).toEqual({ topic: 'a', broker: 'local', changes: [] })
  config('  a: { broker: local, ensure: { retention: 2d } }')
  const changed = JSON.parse((await apply()).stdout) as { changes: { field: string }[] }
  expect(changed.changes.map(({ field }) => field)).toEqual([expect.stringContaining('retention')])
})

test('sluice topics apply --diff shows what would change, and changes nothing', async () => {
  config('  a: { broker: local, ensure: { partitions: 2 } }')
  await sluice(['topics', 'apply', '-c', 'sluice.yaml'], { cwd })
  config('  a: { broker: local, ensure: { partitions: 4 } }')
  for (const _ of ['once', 'twice']) {
    const { code, stdout } = await sluice(['topics', 'apply', '-c', 'sluice.yaml', '--diff'], { cwd })
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({
      code: 0,
      changes: [{ field: 'partitions', from: '2', to: '4' }],
    })
  }
})

test('sluice topics describe shows what the broker says of a topic and its groups', async () => {
  config('  a: { broker: local, ensure: { partitions: 3 } }\n  b: { broker: local }')
  await sluice(['topics', 'apply', '-c', 'sluice.yaml'], { cwd })
  const one = await sluice(['topics', 'describe', 'a', '-c', 'sluice.yaml'], { cwd })
  expect(one).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(one.stdout)).toMatchObject({ topic: 'a', broker: 'local', partitions: 3, replicas: 1, groups: [] })
  const all = await sluice(['topics', 'describe', '-c', 'sluice.yaml'], { cwd })
  expect(all.stdout.trim().split('\n')).toHaveLength(2)
  expect(await sluice(['topics', 'describe', 'none', '-c', 'sluice.yaml'], { cwd })).toMatchObject({ code: 1 })
})

test('what dev tells people to type works as it is', async () => {
  const { url } = await gateway(['dev'], { cwd })
  const text = greeting({ url, createOn: 'local', keys: false, data: '.sluice', file: undefined }, colours)
  const typed = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^(curl|[A-Z]+=)/.test(line))
    // A stream has no end of its own.
    .map((line) => line.replace('curl -s -N', 'curl -s -N --max-time 1'))
  expect(typed).toHaveLength(6)
  const { stdout } = await start('bash', ['-c', typed.join('; echo; ')]).ended
  const [published, , pulled, settled, subscribed] = stdout.split('\n').filter((line) => line.startsWith('{'))
  expect(JSON.parse(published!)).toMatchObject({ status: 'stored', topic: 'orders' })
  expect(stdout).toContain('data: {"position":')
  expect(JSON.parse(pulled!)).toMatchObject({ deliveries: [{ event: { type: 'order.created', data: { id: 1 } } }] })
  expect(JSON.parse(settled!)).toMatchObject({ results: [{ status: 'ok' }] })
  expect(JSON.parse(subscribed!)).toMatchObject({ topic: 'orders', url: 'http://localhost:3000/hook' })
})

describe('help', () => {
  test('has examples for every command, and costs no failure', async () => {
    for (const name of Object.keys(commands)) {
      const { code, stdout } = await sluice([name, '--help'])
      expect(code).toBe(0)
      expect(stdout).toContain(`Usage: sluice ${name}`)
      expect(stdout).toContain(`$ `)
    }
    const all = await sluice(['--help'])
    expect(all.code).toBe(0)
    for (const name of Object.keys(commands)) expect(all.stdout).toContain(`  ${name} `)
    expect((await sluice([])).code).toBe(2)
    expect((await sluice(['subscribe'])).code).toBe(2)
    expect((await sluice(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+/)
  })

  test('is completed by the shells', async () => {
    const completions = await sluice(['completion', 'bash'])
    expect(completions.code).toBe(0)
    const script = `${completions.stdout}\nCOMP_WORDS=(sluice publish --da); COMP_CWORD=2; _sluice; echo "\${COMPREPLY[@]}"`
    expect((await start('bash', ['-c', script]).ended).stdout.trim()).toBe('--data')
    const inner = script.replace('publish --da', 'subscriptions up')
    expect((await start('bash', ['-c', inner]).ended).stdout.trim()).toBe('update')
    expect((await sluice(['completion', 'zsh'])).stdout).toContain('#compdef sluice')
    expect((await sluice(['completion', 'fish'])).stdout).toContain('complete -c sluice')
    expect((await sluice(['completion', 'tcsh'])).code).toBe(2)
  })
})
