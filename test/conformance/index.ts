/**
 * What every adapter must show, written once against the port (README.md). `conformance` registers it with a test
 * runner; `run` needs none.
 */
import { seedOfRun } from './random.ts'
import { checkTarget, reasonAgainst, runScenario } from './run.ts'
import { keyOfScenario, type Scenario } from './scenario.ts'
import { scenarios } from './scenarios.ts'
import type { Target } from './target.ts'

export { type Outcome, type RunOptions, run } from './run.ts'
export type { Scenario } from './scenario.ts'
export { scenarios } from './scenarios.ts'
export type { BadCredentials, HookName, ProcessEntry, Target } from './target.ts'

/** What the suite needs of a test runner; those of vitest, jest and bun are such. */
export interface Runner {
  describe(name: string, body: () => void): void
  it(name: string, body: () => Promise<void>, timeoutMs?: number): void
  /** An `it` whose tests run beside each other, where the runner has one: scenarios mostly wait. */
  readonly concurrent?: Runner['it']
}

/** A scenario waits several times at the most; each wait has the target's deadline, so that it ends with its own words. */
const waits = 8

/** Registers every scenario. What is not applicable is registered too, under a name that gives the reason. */
export function conformance(target: Target, runner: Runner): void {
  const { describe, it } = runner
  const seed = seedOfRun()
  const timeoutMs = waits * (target.deadlineMs ?? 20_000)
  const register = (scenario: Scenario): void => {
    const name = `${keyOfScenario(scenario)}. ${scenario.title}`
    const reason = reasonAgainst(scenario, target)
    if (reason !== undefined) {
      it(`${name} [not applicable: ${reason}]`, async () => undefined)
      return
    }
    const body = async (): Promise<void> => {
      await runScenario(scenario, target, seed)
    }
    const concurrent = scenario.alone === true ? it : (runner.concurrent ?? it)
    concurrent(name, body, timeoutMs)
  }
  describe(`conformance of ${target.name}`, () => {
    it('the target is declared rightly', async () => checkTarget(target))
    for (const scenario of scenarios) if (scenario.alone !== true) register(scenario)
  })
  describe(`conformance of ${target.name}: what looks at the whole process`, () => {
    for (const scenario of scenarios) if (scenario.alone === true) register(scenario)
  })
}
