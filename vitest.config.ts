import { readdirSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

// Every folder of test/ is a suite, so that none can be forgotten, except what others import.
const imported = new Set(['conformance', 'fixtures'])
const suites = readdirSync(new URL('./test', import.meta.url), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !imported.has(entry.name))
  .map((entry) => entry.name)
// What a suite's files have in common, started when one of them first asks for it.
const kafka = './test/brokers/services/global-kafka.ts'
const rabbitmq = './test/brokers/services/global-rabbitmq.ts'
const nats = './test/brokers/services/global-nats.ts'
const sqs = './test/brokers/services/global-sqs.ts'
const postgres = './test/brokers/services/global-postgres.ts'
const shared: Record<string, string | string[]> = {
  brokers: [kafka, rabbitmq, sqs, nats],
  swap: [kafka, rabbitmq, sqs, nats],
  delivery: [kafka, postgres],
  bridges: [kafka, rabbitmq, sqs, nats],
}
const kind = process.env.SLUICE_SOAK === '1' ? 'soak' : 'test'

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: suites.map((name) => ({
      extends: true,
      test: { name, include: [`test/${name}/**/*.${kind}.ts`], globalSetup: shared[name] ?? [] },
    })),
  },
})
