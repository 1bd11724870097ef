import { acknowledgeScenarios } from './acknowledge.ts'
import { closingScenarios } from './closing.ts'
import { declaredScenarios } from './declared.ts'
import { dedupScenarios } from './dedup.ts'
import { groupScenarios } from './groups.ts'
import { healthScenarios } from './health.ts'
import { lagScenarios } from './lag.ts'
import { leaseScenarios } from './leases.ts'
import { lifecycleScenarios } from './lifecycle.ts'
import { logScenarios } from './log.ts'
import { orderScenarios } from './order.ts'
import { processScenarios } from './process.ts'
import { publishScenarios } from './publish.ts'
import { keyOfScenario, type Scenario } from './scenario.ts'
import { settleScenarios } from './settle.ts'

const byKey = (a: Scenario, b: Scenario): number => a.id - b.id || (keyOfScenario(a) < keyOfScenario(b) ? -1 : 1)

/** Every scenario, in the order of the list. */
export const scenarios: readonly Scenario[] = [
  ...declaredScenarios,
  ...publishScenarios,
  ...acknowledgeScenarios,
  ...closingScenarios,
  ...dedupScenarios,
  ...groupScenarios,
  ...settleScenarios,
  ...leaseScenarios,
  ...orderScenarios,
  ...logScenarios,
  ...lagScenarios,
  ...lifecycleScenarios,
  ...processScenarios,
  ...healthScenarios,
].sort(byKey)
