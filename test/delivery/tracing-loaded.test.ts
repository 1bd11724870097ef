import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

/** Starts a gateway and stops it, and prints how many modules of OpenTelemetry that loaded. */
const script = `
  import { registerHooks } from 'node:module'
  let loaded = 0
  registerHooks({
    load(url, context, next) {
      if (url.includes('@opentelemetry/')) loaded++
      return next(url, context)
    },
  })
  const { builtInConfig } = await import('${root}/src/config/load.ts')
  const { startGateway } = await import('${root}/src/runtime/node.ts')
  const config = { brokers: { main: { type: 'embedded', memory: true } }, store: { type: 'sqlite', path: 'store.db' } }
  const gateway = await startGateway({
    loaded: builtInConfig(config, process.cwd()),
    file: undefined,
    environment: process.env,
    host: '127.0.0.1',
    port: 0,
    createOn: undefined,
    allowLoopback: true,
    log: () => {},
  })
  await gateway.stop()
  console.log(loaded)
  process.exit(0)
`

async function loaded(environment: Readonly<Record<string, string>>): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-loaded-'))
  try {
    const options = { cwd: folder, env: { ...process.env, ...environment } }
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], options)
    return Number(stdout.trim())
  } finally {
    await rm(folder, { recursive: true })
  }
}

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }

test('nothing of OpenTelemetry is loaded where no collector is named, or tracing is off', async () => {
  expect(await loaded({})).toBe(0)
  expect(await loaded({ ...endpoint, OTEL_SDK_DISABLED: 'true' })).toBe(0)
  expect(await loaded({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' })).toBe(0)
  expect(await loaded(endpoint)).toBeGreaterThan(10)
})
