import { expect, test } from 'vitest'
import { sharedKafka } from '../brokers/services/shared.ts'
import { until } from '../conformance/waiting.ts'
import { cloudEvent } from '../http/events.ts'
import { installations, metric, topicName } from './installation.ts'
import { Witness } from './witness.ts'

const installation = installations()

test('replicas share the group of a bridge, and one takes over from another', { timeout: 180_000 }, async () => {
  const { bootstrap } = await sharedKafka(1)
  const [from, to] = [topicName('from'), topicName('to')]
  const ensure = { partitions: 4 }
  const config = {
    brokers: { main: { type: 'kafka', bootstrap: [...bootstrap], sessionTimeout: '6s' } },
    topics: { [from]: { broker: 'main', ensure }, [to]: { broker: 'main', ensure } },
    bridges: [{ from, to, name: 'b' }],
  }
  const both = [await installation(), await installation()] as const
  const [first, second] = [await both[0].start(config), await both[1].start(config)]
  let made = 0
  const publish = async (): Promise<void> => {
    const events = Array.from({ length: 400 }, () => cloudEvent(`e${made++}`, { partitionkey: `k${made % 40}` }))
    expect((await first.batch(from, events)).status).toBe(200)
  }
  const movedBy = (client: typeof first) => metric(client, 'moved_total', 'b')
  // As soon as both have partitions, both move.
  await until(60_000, 'both move', async () => {
    await publish()
    return (await movedBy(first))! > 0 && (await movedBy(second))! > 0
  })
  await both[1].stop()
  await publish()
  const moved = await (await Witness.of(first, to)).arrived(made)
  expect(new Set(moved.map(({ id }) => id)).size).toBe(made)
  for (let key = 0; key < 40; key++) {
    const places = moved.filter(({ partitionkey }) => partitionkey === `k${key}`).map(({ id }) => Number(id.slice(1)))
    const firsts = [...new Set(places)]
    expect(firsts).toEqual(firsts.toSorted((a, b) => a - b))
  }
})
