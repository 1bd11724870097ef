import type { Capabilities } from '../../src/core/broker.ts'
import type { Context } from './context.ts'
import type { HookName } from './target.ts'

/** One promise of the port, by its number in the list of what every adapter must show. */
export interface Scenario {
  readonly id: number
  /** Tells apart several scenarios of one number: `38b`. */
  readonly part?: string
  readonly title: string
  /** The hooks without which it cannot run. */
  readonly needs?: readonly HookName[]
  /** It looks at the whole process (memory, handles), so nothing else may run beside it. */
  readonly alone?: true
  /** Whether the broker has what `run` is about; where not, `refused` must hold. */
  supported?(capabilities: Readonly<Capabilities>): boolean
  run(context: Context): Promise<void>
  /** Asserts that the lack is refused by name, before any side effect. */
  refused?(context: Context): Promise<void>
}

export function keyOfScenario(scenario: Scenario): string {
  return `${scenario.id}${scenario.part ?? ''}`
}
