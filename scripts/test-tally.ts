import { writeFileSync } from 'node:fs'
import type { Reporter, TestModule } from 'vitest/node'

export type Tally = Record<string, { passed: number; failed: number; skipped: number; ms: number }>

/** Writes what each suite counted to the file named by SLUICE_TEST_TALLY. */
export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tally: Tally = {}
    for (const module of modules) {
      const suite = tally[module.project.name] ?? { passed: 0, failed: 0, skipped: 0, ms: 0 }
      tally[module.project.name] = suite
      let failed = 0
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') suite.passed += 1
        else if (state === 'failed') failed += 1
        else suite.skipped += 1
      }
      // A file that does not load, or whose hooks fail, has no failed test of its own.
      suite.failed += failed === 0 && module.state() === 'failed' ? 1 : failed
      suite.ms += module.diagnostic().duration
    }
    const path = process.env.SLUICE_TEST_TALLY
    if (path) writeFileSync(path, JSON.stringify(tally))
  }
}
