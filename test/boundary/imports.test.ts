import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

// A small house in which every file breaks one rule, or none: the rules must see each of them.
const house: Record<string, { source: string; breaks: string | undefined }> = {
  'src/core/event.ts': { source: 'export const event = 1', breaks: undefined },
  'src/core/node.ts': { source: "import 'node:fs'", breaks: 'core-imports-nothing' },
  'src/core/node-type.ts': { source: "export type { Stats } from 'node:fs'", breaks: 'core-imports-nothing' },
  'src/core/package.ts': { source: "import 'zod'", breaks: 'core-imports-nothing' },
  'src/core/room.ts': { source: "import '../store/store.ts'", breaks: 'core-imports-nothing' },
  'src/core/ring-a.ts': { source: "import './ring-b.ts'", breaks: 'no-circular' },
  // A ring is reported once, at its first file.
  'src/core/ring-b.ts': { source: "import './ring-a.ts'", breaks: undefined },
  'src/store/store.ts': { source: "import 'node:sqlite'\nimport '../core/event.ts'", breaks: undefined },
  'src/store/sql/insert.ts': { source: "import '../../config/load.ts'", breaks: 'store-imports-core' },
  'src/config/load.ts': { source: "import 'node:fs'\nimport 'yaml'\nimport '../core/event.ts'", breaks: undefined },
  'src/config/open.ts': { source: "import '../store/store.ts'", breaks: 'config-imports-core' },
  'src/webhook/sign.ts': { source: "import '../core/event.ts'", breaks: undefined },
  'src/webhook/send.ts': { source: "import '../delivery/lane.ts'", breaks: 'webhook-imports-core' },
  'src/delivery/lane.ts': { source: "import '../core/event.ts'", breaks: undefined },
  'src/delivery/done.ts': {
    source: "import '../store/sql/insert.ts'",
    breaks: 'delivery-imports-core-and-the-store-port',
  },
  'src/delivery/package.ts': { source: "import 'hono'", breaks: 'delivery-imports-no-package' },
  'src/delivery/node.ts': { source: "import 'node:timers'", breaks: 'no-node-in-http-and-delivery' },
  'src/delivery/timing.ts': { source: 'export const timing = 1', breaks: undefined },
  'src/bridges/bridge.ts': { source: "import '../core/event.ts'\nimport '../delivery/timing.ts'", breaks: undefined },
  'src/bridges/lane.ts': {
    source: "import '../delivery/lane.ts'",
    breaks: 'bridges-import-core-and-how-delivery-matches-and-waits',
  },
  'src/bridges/package.ts': { source: "import 'zod'", breaks: 'delivery-imports-no-package' },
  'src/bridges/node.ts': { source: "import 'node:timers'", breaks: 'no-node-in-http-and-delivery' },
  'src/http/app.ts': {
    source: ['hono', 'zod', '../core/event.ts', '../webhook/sign.ts', '../store/store.ts']
      .map((name) => `import '${name}'`)
      .join('\n'),
    breaks: undefined,
  },
  'src/http/node.ts': { source: "import 'node:http'", breaks: 'no-node-in-http-and-delivery' },
  'src/http/package.ts': { source: "import 'yaml'", breaks: 'http-packages' },
  'src/http/server.ts': { source: "import '@hono/node-server'", breaks: 'http-packages' },
  'src/http/sql.ts': {
    source: "import '../store/sql/insert.ts'",
    breaks: 'http-imports-core-webhook-and-the-store-port',
  },
  'src/http/adapter.ts': {
    source: "import '../../adapters/embedded/index.ts'",
    breaks: 'http-imports-core-webhook-and-the-store-port',
  },
  'src/runtime/node.ts': {
    source: "import '../http/app.ts'\nimport '../../adapters/embedded/index.ts'\nimport 'node:http'",
    breaks: undefined,
  },
  'src/runtime/bench.ts': { source: "import '../../bench/main.ts'", breaks: 'nothing-shipped-imports-tests-or-tools' },
  'src/cli/test.ts': { source: "import '../../test/unit/x.ts'", breaks: 'nothing-shipped-imports-tests-or-tools' },
  'src/cli/dev-package.ts': { source: "import 'vitest'", breaks: 'nothing-shipped-imports-dev-packages' },
  'src/cli/missing.ts': { source: "import './nowhere.ts'", breaks: 'no-unresolvable' },
  'adapters/embedded/index.ts': {
    source: "import 'node:fs'\nimport './engine.ts'\nimport '../../src/core/event.ts'",
    breaks: undefined,
  },
  'adapters/embedded/engine.ts': { source: 'export const engine = 1', breaks: undefined },
  'adapters/kafka/other.ts': { source: "import '../embedded/index.ts'", breaks: 'adapters-import-core-only' },
  'adapters/kafka/http.ts': { source: "import '../../src/http/app.ts'", breaks: 'adapters-import-core-only' },
  'adapters/kafka/runtime.ts': { source: "import '../../src/runtime/node.ts'", breaks: 'adapters-import-core-only' },
  'bench/main.ts': { source: "import '../src/runtime/node.ts'", breaks: undefined },
  'test/conformance/index.ts': { source: "import '../../src/core/event.ts'", breaks: undefined },
  'test/conformance/runner.ts': { source: "import 'vitest'", breaks: 'nothing-shipped-imports-dev-packages' },
  'test/conformance/adapter.ts': {
    source: "import '../../adapters/embedded/index.ts'",
    breaks: 'conformance-imports-core-only',
  },
  'test/unit/x.ts': { source: "import '../../src/core/event.ts'", breaks: undefined },
}

const repository = resolve(import.meta.dirname, '../..')
let scratch: string
let broken: Map<string, Set<string>>

function cruise(cwd: string): Promise<{ summary: { violations: { from: string; rule: { name: string } }[] } }> {
  const program = join(repository, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs')
  const options = ['--config', '.dependency-cruiser.mjs', '--output-type', 'json']
  const rooms = ['src', 'adapters', 'bench', 'test']
  return new Promise((resolve, reject) => {
    // The exit code is the number of violations: only the report counts.
    execFile(process.execPath, [program, ...options, ...rooms], { cwd, maxBuffer: 1e8 }, (error, stdout, stderr) => {
      if (stdout.startsWith('{')) resolve(JSON.parse(stdout))
      else reject(new Error(stderr || stdout, { cause: error }))
    })
  })
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'sluice-imports-'))
  for (const [path, { source }] of Object.entries(house)) {
    await mkdir(dirname(join(scratch, path)), { recursive: true })
    await writeFile(join(scratch, path), `${source}\nexport {}\n`)
  }
  const shared = ['package.json', 'tsconfig.json', 'tsconfig.base.json', '.dependency-cruiser.mjs', 'node_modules']
  for (const name of shared) {
    await symlink(join(repository, name), join(scratch, name))
  }
  const { summary } = await cruise(scratch)
  broken = new Map(
    [...Map.groupBy(summary.violations, ({ from }) => from)].map(([from, violations]) => [
      from,
      new Set(violations.map(({ rule }) => rule.name)),
    ]),
  )
})

afterAll(() => rm(scratch, { recursive: true, force: true }))

describe('who may import whom', () => {
  test.each(Object.entries(house))('%s', (path, { breaks }) => {
    const rules = broken.get(path) ?? new Set()
    if (breaks === undefined) expect([...rules]).toEqual([])
    else expect([...rules]).toContain(breaks)
  })
})
