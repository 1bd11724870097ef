import assert from 'node:assert/strict'
import type { GroupState } from '../../src/core/broker.ts'
import { requireDelay, unmet } from '../../src/core/capabilities.ts'
import { assertQuiet, settle, take, takeOne } from './consuming.ts'
import type { Context } from './context.ts'
import { assertSameIds, event, events, idOf } from './events.ts'
import { assertStored, refuses } from './refusal.ts'
import type { Scenario } from './scenario.ts'
import { until } from './waiting.ts'

async function lagOf(context: Context, topic: string, group: string): Promise<NonNullable<GroupState['lag']>> {
  const { lag } = await context.within('the group is described', context.broker.groups.describe(topic, group))
  assert(lag !== undefined, 'a broker that declares lag gives it')
  assert(lag.events >= 0 && lag.oldestMs >= 0, `lag is negative: ${JSON.stringify(lag)}`)
  return lag
}

/** At rest the lag is this number: at once where it is exact, in the end where it is approximate. */
async function assertLag(
  context: Context,
  topic: string,
  group: string,
  expected: number,
  what: string,
): Promise<void> {
  if (context.capabilities.lag === 'exact') {
    assert.equal((await lagOf(context, topic, group)).events, expected, what)
    return
  }
  const probe = async () => (await lagOf(context, topic, group)).events === expected
  await until(context.deadlineMs, `the lag is ${expected} ${what}`, probe)
}

const lag: Scenario = {
  id: 34,
  title: 'Lag is published − settled, exactly so at rest where it is declared exact, and never negative',
  supported: (capabilities) => capabilities.lag !== 'none',
  async run(context) {
    const topic = await context.topic('lag')
    await context.listened(topic)
    await context.publish(topic, events(3, 'before'))
    const group = await context.group(topic)
    await assertLag(context, topic, group, 0, 'of a group that starts at the end')
    await context.publish(topic, events(20, 'e'))
    await assertLag(context, topic, group, 20, 'after publishing 20')
    const consumer = await context.consumer(topic, group)
    const held = await take(context, consumer, 10)
    await assertLag(context, topic, group, 20, 'with 10 in flight')
    await settle(context, consumer, held.slice(0, 6))
    await assertLag(context, topic, group, 14, 'after 6 acks')
    await settle(context, consumer, held.slice(0, 6))
    await assertLag(context, topic, group, 14, 'after the same 6 acks again')
    if (context.capabilities.lag === 'exact') {
      assert.equal((await context.broker.groups.describe(topic, group)).inFlight, 4, 'in flight')
    }
    if (context.capabilities.settlement === 'individual') {
      await settle(context, consumer, held.slice(6), { kind: 'nack' })
      await assertLag(context, topic, group, 14, 'after 4 nacks')
    }
    await context.within('the consumer closes', consumer.close())
    await assertLag(context, topic, group, 14, 'after the consumer closed')

    const last = await context.consumer(topic, group)
    const publishing = context.publish(topic, events(50, 'more'))
    let settled = 0
    while (settled < 64) {
      const batch = await take(context, last, Math.min(8, 64 - settled))
      await settle(context, last, batch)
      settled += batch.length
      const { events: now } = await lagOf(context, topic, group)
      if (context.capabilities.lag === 'exact') assert(now <= 64 - settled, `${now} are left of ${64 - settled}`)
    }
    await publishing
    await assertLag(context, topic, group, 0, 'after everything was settled')
    if (context.capabilities.lag === 'exact')
      assert.equal((await lagOf(context, topic, group)).oldestMs, 0, 'age of nothing')
  },
  async refused(context) {
    const topic = await context.topic('lag')
    const group = await context.group(topic)
    assert.equal((await context.broker.groups.describe(topic, group)).lag, undefined, 'no number is made up')
    const found = unmet({ lag: 'approximate' }, context.capabilities)
    assert.deepEqual(
      found.map(({ capability }) => capability),
      ['lag'],
      'a topic that requires it is refused',
    )
  },
}

const delay: Scenario = {
  id: 35,
  title: 'A delay never fires early, not in a group, in the log or in the lag; what is not delayed overtakes',
  supported: ({ publishDelayMs }) => publishDelayMs > 0,
  async run(context) {
    const { capabilities, broker } = context
    const most = capabilities.publishDelayMs
    await refuses('a delay beyond the longest', () => requireDelay(capabilities, most + 1), 'publishDelayMs')
    const topic = await context.topic('delay')
    const group = await context.group(topic)
    const consumer = await context.consumer(topic, group)
    const delayMs = Math.min(2000, most)
    const before = Date.now()
    assertStored(await context.publishRaw(topic, events(3, 'late'), { delayMs }), 3)
    await context.publish(topic, [event('now')])

    const shown: string[] = []
    let inLag = 0
    if (capabilities.replay) {
      const signal = AbortSignal.timeout(context.deadlineMs)
      for await (const { records } of broker.log!.read(topic, 'earliest', { signal })) {
        shown.push(...records.map((record) => idOf(record.event)))
      }
    }
    if (capabilities.lag === 'exact') inLag = (await lagOf(context, topic, group)).events
    assert(broker.groups.hasDelayed !== undefined, 'whether events are delayed cannot be asked')
    const hasDelayed = (): Promise<boolean> => broker.groups.hasDelayed!(topic, group)
    const areDelayed = await hasDelayed()
    if (Date.now() - before < delayMs) {
      assert(!shown.some((id) => id.startsWith('late')), 'a delayed event is in the log before it is due')
      assert(inLag <= 1, 'a delayed event counts as lag before it is due')
      assert(areDelayed || capabilities.lag === 'approximate', 'there are delayed events, and it is not told')
    }

    const seen: string[] = []
    while (seen.length < 4) {
      const delivery = await takeOne(context, consumer)
      const waited = Date.now() - before
      seen.push(idOf(delivery.event))
      if (idOf(delivery.event) !== 'now')
        assert(waited >= delayMs, `delivered after ${waited} ms; ${delayMs} ms were asked`)
      await settle(context, consumer, [delivery])
    }
    assertSameIds(seen, ['now', 'late-0', 'late-1', 'late-2'], 'deliveries')
    await assertQuiet(context, consumer, 'everything was acknowledged')
    assert(capabilities.lag === 'approximate' || !(await hasDelayed()), 'nothing is delayed any more')
    await context.publish(topic, [event('after')])
    assert.equal(idOf((await takeOne(context, consumer)).event), 'after')
  },
  async refused(context) {
    await refuses('a delay', () => requireDelay(context.capabilities, 1), 'publishDelayMs')
  },
}

export const lagScenarios: readonly Scenario[] = [lag, delay]
