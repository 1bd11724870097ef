import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sharedPostgres } from '../brokers/services/shared.ts'
import { scratch, sluice } from '../cli/sluice.ts'

interface Finding {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
}

test('the command line works on a store in Postgres: keys, and a check that changes nothing', async () => {
  const cwd = scratch()
  const url = await sharedPostgres()
  const configure = (more: string): void => {
    const brokers = 'brokers: { local: { type: embedded, memory: true } }\ntopics: { a: { broker: local } }'
    writeFileSync(join(cwd, 'sluice.yaml'), `${brokers}\nstore: { type: postgres, url: "${url}" }\n${more}\n`)
  }
  const check = async (): Promise<Finding> => {
    const { stdout } = await sluice(['check', '--json', '-c', 'sluice.yaml'], { cwd })
    const findings = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Finding)
    return findings.find((finding) => finding.check === 'store')!
  }
  configure('')
  expect(await check()).toMatchObject({ ok: false, detail: expect.stringContaining('needs encryptionKey') })
  configure('encryptionKey: one')
  expect(await check()).toMatchObject({ ok: true, detail: 'will be made at the first start' })
  const created = await sluice(['keys', 'create', '--name', 'ci', '--scope', 'publish', '--store'], { cwd })
  expect(created.code).toBe(0)
  const listed = await sluice(['keys', 'list', '--json'], { cwd })
  expect(JSON.parse(listed.stdout)).toMatchObject({ name: 'ci', in: 'store' })
  expect(await check()).toMatchObject({ ok: true, detail: '0 topics are bound' })
  configure('encryptionKey: another')
  expect(await check()).toMatchObject({ ok: false, detail: expect.stringContaining('sealed with another key') })
})
