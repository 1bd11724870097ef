import assert from 'node:assert/strict'
import { Context, missingHook } from './context.ts'
import { Random, seedOfRun } from './random.ts'
import { keyOfScenario, type Scenario } from './scenario.ts'
import { scenarios } from './scenarios.ts'
import type { Target } from './target.ts'

export type Outcome =
  | { readonly key: string; readonly title: string; readonly status: 'held' | 'refused' }
  | { readonly key: string; readonly title: string; readonly status: 'not applicable'; readonly reason: string }
  | { readonly key: string; readonly title: string; readonly status: 'failed'; readonly error: Error }

/** The reason why a scenario has no meaning for this target; undefined where it has. */
export function reasonAgainst(scenario: Scenario, target: Target): string | undefined {
  return target.notApplicable?.[keyOfScenario(scenario)]
}

/** Throws where the target declares what it may not: a wrong key, or a scenario that capabilities settle. */
export function checkTarget(target: Target): void {
  const known = new Map(scenarios.map((scenario) => [keyOfScenario(scenario), scenario]))
  for (const [key, reason] of Object.entries(target.notApplicable ?? {})) {
    const scenario = known.get(key)
    assert(scenario !== undefined, `notApplicable of "${target.name}" names ${key}, and there is no such scenario.`)
    assert(
      (scenario.needs ?? []).some((hook) => target[hook] === undefined),
      `notApplicable of "${target.name}" names ${key}, which lacks no hook: only its run or its refusal can answer it.`,
    )
    assert(reason !== '', `notApplicable of "${target.name}" gives no reason for ${key}.`)
  }
}

/**
 * Runs one scenario on a broker of its own. Answers whether the promise held, or was refused for want of a capability;
 * rejects where neither is the case, with the seed to run it again.
 */
export async function runScenario(scenario: Scenario, target: Target, seed: number): Promise<'held' | 'refused'> {
  const context = new Context(target, new Random(seed ^ (scenario.id * 0x9e3779b9)))
  try {
    for (const hook of scenario.needs ?? []) if (target[hook] === undefined) throw new Error(missingHook(target, hook))
    await context.start()
    const supported = scenario.supported?.(context.capabilities) ?? true
    if (supported) await scenario.run(context)
    else {
      assert(scenario.refused !== undefined, `scenario ${keyOfScenario(scenario)} says how a lack is refused`)
      await scenario.refused(context)
    }
    await context.end()
    return supported ? 'held' : 'refused'
  } catch (cause) {
    await context.end().catch(() => undefined)
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`Scenario ${keyOfScenario(scenario)} on ${target.name}, SLUICE_SEED=${seed}: ${why}`, { cause })
  }
}

export interface RunOptions {
  /** Default: SLUICE_SEED, or a new one. */
  readonly seed?: number
  /** So many scenarios run beside each other; what looks at the whole process runs alone, at the end. Default 1. */
  readonly lanes?: number
  /** Which scenarios; all by default. */
  readonly only?: (scenario: Scenario) => boolean
}

/** Runs the suite without any runner and answers every outcome, in the order of the list. */
export async function run(target: Target, options: RunOptions = {}): Promise<readonly Outcome[]> {
  const { seed = seedOfRun(), lanes = 1, only = () => true } = options
  checkTarget(target)
  const chosen = scenarios.filter(only)
  const outcomes = new Map<Scenario, Outcome>()
  const work = async (waiting: Scenario[]): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      outcomes.set(next, await outcomeOf(next, target, seed))
    }
  }
  const together = chosen.filter(({ alone }) => alone !== true)
  await Promise.all(Array.from({ length: lanes }, () => work(together)))
  await work(chosen.filter(({ alone }) => alone === true))
  return chosen.map((scenario) => outcomes.get(scenario)!)
}

async function outcomeOf(scenario: Scenario, target: Target, seed: number): Promise<Outcome> {
  const named = { key: keyOfScenario(scenario), title: scenario.title }
  const reason = reasonAgainst(scenario, target)
  if (reason !== undefined) return { ...named, status: 'not applicable', reason }
  try {
    return { ...named, status: await runScenario(scenario, target, seed) }
  } catch (error) {
    return { ...named, status: 'failed', error: error as Error }
  }
}
