import type { Broker } from '../../src/core/broker.ts'
import type { Target } from '../conformance/index.ts'
import { FixtureBroker, fixtureCapabilities } from '../fixtures/fixture-broker.ts'

const noProcess = 'a broker in the memory of a process ends with it'

/** The fixture as a target; `wrap` may put something around each broker that is opened. */
export function fixtureTarget(
  name = 'fixture, in memory',
  wrap: (broker: Broker) => Broker = (broker) => broker,
): Target {
  const inner = new WeakMap<Broker, FixtureBroker>()
  return {
    name,
    capabilities: fixtureCapabilities,
    async open() {
      const fixture = new FixtureBroker()
      const broker = wrap(fixture)
      inner.set(broker, fixture)
      return broker
    },
    async holdAck(broker) {
      const fixture = inner.get(broker)!
      const held = Promise.withResolvers<void>()
      fixture.hold = held.promise
      return async () => {
        fixture.hold = undefined
        held.resolve()
      }
    },
    notApplicable: {
      '12b': noProcess,
      '18': noProcess,
      '38b': noProcess,
      '38c': noProcess,
      '39': noProcess,
      '40': noProcess,
      '44': 'the memory of a process cannot fail by itself',
      '45': 'it has no credentials',
    },
  }
}
