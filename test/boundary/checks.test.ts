import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'vitest'

const root = join(import.meta.dirname, '../..')

// Rejects, with what the checks printed, where one fails.
test('npm run check passes: style, types, import rules, dead code, the package', { timeout: 240_000 }, async () => {
  await promisify(execFile)(process.execPath, ['scripts/check.ts'], { cwd: root, maxBuffer: 64 << 20 })
})
