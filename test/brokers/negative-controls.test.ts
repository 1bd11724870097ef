import { describe, expect, test } from 'vitest'
import type { Broker } from '../../src/core/broker.ts'
import { type Outcome, run, type Target } from '../conformance/index.ts'
import * as broken from './broken.ts'
import { memoryTarget } from './embedded-target.ts'
import { fixtureTarget } from './fixture-target.ts'

// The suite is only worth something if it fails: each of these adapters breaks one promise.

const failedKeys = (outcomes: readonly Outcome[]): string[] =>
  outcomes.filter(({ status }) => status === 'failed').map(({ key }) => key)

/** Why scenarios failed, for whoever sees another set than expected. */
const reasons = (outcomes: readonly Outcome[]): string =>
  outcomes.flatMap((outcome) => (outcome.status === 'failed' ? [outcome.error.message] : [])).join('\n')

type Wrap = (broker: Broker) => Broker

function fixture(wrap: Wrap): Target {
  return { ...fixtureTarget('a broken fixture', wrap), deadlineMs: 60_000 }
}

/** Has what the fixture lacks. */
function embedded(wrap: Wrap): Target {
  const target = memoryTarget()
  return { ...target, name: 'a broken adapter', deadlineMs: 60_000, open: async () => wrap(await target.open()) }
}

/** What each breaks, and the scenarios that must see it; every other one must hold. */
const controls: [name: string, target: Target, expected: string[]][] = [
  ['acknowledges before storing', fixture(broken.acknowledgesBeforeStoring), ['2', '10b']],
  // Its early answer also covers an ack that is stale.
  ['redelivers after an ack', fixture(broken.redeliversAfterAck), ['23', '34', '36', '38']],
  ['drops attributes', fixture(broken.dropsAttributes), ['4']],
  ['ignores the prefetch', fixture(broken.ignoresPrefetch), ['24']],
  ['creates missing topics', fixture(broken.createsTopics), ['6']],
  ['reorders batches', fixture(broken.reordersBatches), ['29']],
  ['settles by event, not by attempt', fixture(broken.settlesByEvent), ['23']],
  ['ignores delays', embedded(broken.ignoresDelays), ['20b', '30', '35']],
  ['ignores deduplication windows', embedded(broken.ignoresWindows), ['13', '13b']],
  ['counts what is in flight as done', embedded(broken.countsInFlightAsDone), ['34']],
]

describe('the suite fails at exactly the broken promise', () => {
  test.concurrent.for(controls)(
    'an adapter that %s',
    { timeout: 400_000 },
    async ([, target, expected], { expect }) => {
      const outcomes = await run(target, { lanes: 8, only: ({ alone }) => alone !== true })
      expect(failedKeys(outcomes), reasons(outcomes)).toEqual(expected)
    },
  )

  test('an adapter that leaks handles', { timeout: 400_000 }, async () => {
    const leaked: NodeJS.Timeout[] = []
    const leaking = { ...fixture((broker) => broken.leaksHandles(broker, leaked)), deadlineMs: 3000 }
    const outcomes = await run(leaking, { only: ({ id }) => id === 48 || id === 1 })
    for (const timer of leaked) clearInterval(timer)
    expect(failedKeys(outcomes)).toEqual(['48'])
  })
})

describe('a target cannot talk itself out of a scenario', () => {
  const without = (key: keyof Target): Target => {
    const { [key]: _, ...rest } = fixtureTarget()
    return rest as Target
  }

  test('a missing hook fails with the sentence that names it', async () => {
    const [outcome] = await run(without('holdAck'), { only: ({ id }) => id === 2 })
    expect(outcome?.status === 'failed' && outcome.error.message).toContain('holdAck(broker), which stops the broker')
  })

  test('only a scenario whose hook is missing may be declared not applicable, by its key and with a reason', async () => {
    for (const notApplicable of [{ '1': 'no time' }, { '2': 'no time' }, { '99': 'no such' }, { '18': '' }]) {
      await expect(run({ ...fixtureTarget(), notApplicable }, { only: () => false })).rejects.toThrow('notApplicable')
    }
  })

  test('a capability that was lost is a failure, not a refusal', async () => {
    const weaker = { ...fixtureTarget(), capabilities: { exclusiveKeys: true } }
    expect(failedKeys(await run(weaker, { only: ({ id }) => id === 0 }))).toEqual(['0'])
  })

  test('the reason is printed with the scenario', async () => {
    const [outcome] = await run(fixtureTarget(), { only: ({ id }) => id === 45 })
    expect(outcome).toMatchObject({ status: 'not applicable', reason: 'it has no credentials' })
  })
})
