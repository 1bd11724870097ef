import { describe, expect, test } from 'vitest'
import type { Broker } from '../../src/core/broker.ts'
import { type Outcome, run, type Target } from '../conformance/index.ts'
import * as broken from './broken.ts'
import { fixtureTarget } from './fixture-target.ts'

// The suite is only worth something if it fails: each of these adapters breaks one promise.

const failedKeys = (outcomes: readonly Outcome[]): string[] =>
  outcomes.filter(({ status }) => status === 'failed').map(({ key }) => key)

function target(wrap: (broker: Broker) => Broker): Target {
  return { ...fixtureTarget('a broken fixture', wrap), deadlineMs: 10_000 }
}

/** What each breaks, and the scenarios that must see it; every other one must hold. */
const controls: [name: string, wrap: (broker: Broker) => Broker, expected: string[]][] = [
  ['acknowledges before storing', broken.acknowledgesBeforeStoring, ['2', '10b']],
  // Its early answer also covers an ack that is stale.
  ['redelivers after an ack', broken.redeliversAfterAck, ['23', '34', '36', '38']],
  ['drops attributes', broken.dropsAttributes, ['4']],
  ['ignores the prefetch', broken.ignoresPrefetch, ['24']],
  ['creates missing topics', broken.createsTopics, ['6']],
  ['reorders batches', broken.reordersBatches, ['29']],
  ['settles by event, not by attempt', broken.settlesByEvent, ['23']],
]

describe('the suite fails at exactly the broken promise', () => {
  test.concurrent.for(controls)('an adapter that %s', { timeout: 120_000 }, async ([, wrap, expected], { expect }) => {
    const outcomes = await run(target(wrap), { lanes: 24, only: ({ alone }) => alone !== true })
    expect(failedKeys(outcomes)).toEqual(expected)
  })

  test('an adapter that leaks handles', { timeout: 120_000 }, async () => {
    const leaked: NodeJS.Timeout[] = []
    const leaking = { ...target((broker) => broken.leaksHandles(broker, leaked)), deadlineMs: 3000 }
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
