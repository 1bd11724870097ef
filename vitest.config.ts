import { readdirSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

// Every folder of test/ is a suite, so that none can be forgotten, except what others import.
const imported = new Set(['conformance', 'fixtures'])
const suites = readdirSync(new URL('./test', import.meta.url), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !imported.has(entry.name))
  .map((entry) => entry.name)
const kind = process.env.SLUICE_SOAK === '1' ? 'soak' : 'test'

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: './test/brokers/services/global.ts',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: suites.map((name) => ({
      extends: true,
      test: { name, include: [`test/${name}/**/*.${kind}.ts`] },
    })),
  },
})
