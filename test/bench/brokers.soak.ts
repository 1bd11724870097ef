import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'vitest'
import { compares } from './compares.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-bench-test-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

// One kind of each; the clusters differ in the number of nodes.
test.each([
  { broker: 'rabbitmq', gateway: 'rabbitmq', groups: ['client', 'port', 'http'] },
  { broker: 'sqs', gateway: 'sqs', groups: ['bench'] },
  { broker: 'sns', gateway: 'sqs', groups: ['client', 'port', 'http'] },
])('brokers compares $broker to its client', { timeout: 240_000 }, (expected) => compares(expected, folder))
