import assert from 'node:assert/strict'
import type { Scenario } from './scenario.ts'

const declared: Scenario = {
  id: 0,
  title: 'The opened broker declares the capabilities that the target expects, and they agree with what is there',
  async run({ target, capabilities, broker }) {
    for (const [name, expected] of Object.entries(target.capabilities)) {
      assert.deepEqual(capabilities[name as keyof typeof capabilities], expected, `capability ${name}`)
    }
    assert.equal(broker.log !== undefined, capabilities.replay, 'replay and a log go together')
    assert.equal(broker.groups.seek !== undefined, capabilities.seek, 'seek and groups.seek go together')
    for (const name of ['nackDelayMs', 'dedupWindowMs', 'publishDelayMs', 'atomicPublishMax'] as const) {
      assert(capabilities[name] >= 0, `capability ${name} is ${capabilities[name]}`)
    }
    assert(capabilities.maxEventBytes > 0 && capabilities.publish.maxEvents > 0, 'something can be published')
    assert(capabilities.publish.concurrency > 0, 'a request may be in flight')
    assert(!capabilities.exclusiveKeys || capabilities.ordering !== 'none', 'exclusive keys are for the sake of order')
  },
}

export const declaredScenarios: readonly Scenario[] = [declared]
