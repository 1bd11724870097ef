import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { assertQuiet, drain, settle, share, take } from './consuming.ts'
import type { Context } from './context.ts'
import { event, eventOfSize, events, idOf, ids } from './events.ts'
import type { Scenario } from './scenario.ts'
import { individual, portable } from './stage.ts'
import { until } from './waiting.ts'

/** Takes a few deliveries, settles some of them from the front, and answers which. */
async function workALittle(
  context: Context,
  topic: string,
  group: string,
  left: ReadonlySet<string>,
): Promise<string[]> {
  const consumer = await context.consumer(topic, group, 20)
  const held = await take(context, consumer, Math.min(left.size, context.random.between(1, 15)))
  for (const { event: one } of held) {
    assert(left.has(idOf(one)) || !context.exact, `${idOf(one)} came back after its acknowledgement`)
  }
  const done = held.slice(0, context.random.between(0, held.length))
  await settle(context, consumer, done)
  return done.map((one) => idOf(one.event))
}

async function closeAndReopen(context: Context, restart: (round: number) => Promise<void>): Promise<void> {
  const topic = await context.topic('mid-stream')
  const group = await context.group(topic)
  const sent = events(300, 'e')
  const left = new Set<string>()
  for (let round = 0; round < 20; round++) {
    const more = sent.slice(round * 15, round * 15 + 15)
    await context.publish(topic, more)
    for (const id of ids(more)) left.add(id)
    for (const id of await workALittle(context, topic, group, left)) left.delete(id)
    await restart(round)
  }
  // Some consumers were left open with deliveries in their hands: a restart, or the end of them, gives those back.
  await context.closeConsumers()
  const last = await context.consumer(topic, group)
  await share(context, [last], left, 100)
  await assertQuiet(context, last, 'every event was acknowledged once')
}

const consumers: Scenario = {
  id: 38,
  title: 'A consumer is closed and opened 20 times in mid-stream: the union is exact',
  run: (context) => closeAndReopen(context, () => context.closeConsumers()),
}

const brokers: Scenario = {
  id: 38,
  part: 'b',
  title: 'The broker is closed and opened 20 times in mid-stream: the union is exact',
  needs: ['reopen'],
  run: (context) =>
    closeAndReopen(context, async () => {
      await context.closeConsumers()
      await context.reopen()
    }),
}

const restartKeeps: Scenario = {
  id: 38,
  part: 'c',
  title: 'A restart keeps topics, groups, their lag, the log’s positions and cursors, and leases that are portable',
  needs: ['reopen'],
  async run(context) {
    const topic = await context.topic('restart')
    const group = await context.group(topic, { leaseMs: 77_000, maxAttempts: 9 })
    const sent = events(20, 'e')
    await context.publish(topic, sent)
    const consumer = await context.consumer(topic, group)
    const held = await take(context, consumer, 12)
    await settle(context, consumer, held.slice(0, 5))
    const read = async () => {
      const batches = []
      const signal = AbortSignal.timeout(context.deadlineMs)
      for await (const batch of context.broker.log!.read(topic, 'earliest', { signal })) batches.push(batch)
      const places = batches.flatMap(({ records }) => records.map(({ position, cursor }) => ({ position, cursor })))
      return { places, cursor: batches.at(-1)?.cursor }
    }
    const before = context.capabilities.replay ? await read() : undefined
    await context.reopen()
    const state = await context.broker.groups.describe(topic, group)
    assert.deepEqual([state.leaseMs, state.maxAttempts], [77_000, 9])
    if (context.capabilities.lag === 'exact') assert.equal(state.lag?.events, 15)
    assert.deepEqual(await context.broker.groups.list(topic), [group])
    if (before !== undefined) assert.deepEqual(await read(), before, 'places in the log')
    const last = await context.consumer(topic, group)
    let settled = 5
    if (portable(context.capabilities) && individual(context.capabilities)) {
      // Whoever holds a delivery does not notice the restart.
      await settle(context, last, held.slice(5, 9))
      await settle(context, last, held.slice(9), { kind: 'nack' })
      settled = 9
    }
    const done = new Set(ids(held.slice(0, settled).map((one) => one.event)))
    const left = ids(sent).filter((id) => !done.has(id))
    await drain(context, last, left)
  },
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + Math.max(external, arrayBuffers)
}

const slowConsumer: Scenario = {
  id: 43,
  title: 'A slow consumer costs bounded memory, and other groups are unaffected',
  alone: true,
  async run(context) {
    const size = Math.min(64 << 10, context.capabilities.maxEventBytes)
    const total = Math.ceil((48 << 20) / size)
    const topic = await context.topic('slow')
    const slow = await context.group(topic)
    const many = context.capabilities.groups === 'many'
    const fast = many ? await context.group(topic) : undefined
    const holder = await context.consumer(topic, slow, 10)
    const before = heapBytes()
    const all: string[] = []
    for (let at = 0; at < total; at += 16) {
      const part = Array.from({ length: Math.min(16, total - at) }, (_, i) => eventOfSize(`e-${at + i}`, size))
      all.push(...ids(part))
      await context.publish(topic, part)
      if (at === 0) await take(context, holder, 10)
    }
    assert.equal((await holder.pull({ max: 10, waitMs: 0, signal: new AbortController().signal })).deliveries.length, 0)
    if (fast !== undefined) {
      const quick = await context.consumer(topic, fast, 32)
      let left = all.length
      while (left > 0) {
        const batch = await take(context, quick, Math.min(32, left))
        await settle(context, quick, batch)
        left -= batch.length
      }
    }
    // Where memory is all that the broker has, the events themselves are in it.
    if (context.capabilities.durability === 'memory') return
    const bound = (32 + 10) * size + (16 << 20)
    const probe = async () => heapBytes() - before < bound
    await until(context.deadlineMs, `48 MiB of unread events keep less than ${bound} bytes of memory`, probe, 200)
  },
}

/** What the process holds open, by kind. */
function resources(): Map<string, number> {
  const held = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) held.set(kind, (held.get(kind) ?? 0) + 1)
  if (process.platform === 'linux') held.set('file descriptors', readdirSync('/proc/self/fd').length)
  return held
}

const leaks: Scenario = {
  id: 48,
  title: 'Opening, working, and closing with work under way, ten times over: no handle and no socket is left',
  alone: true,
  async run(context) {
    const cycle = async (round: number): Promise<void> => {
      const broker = await context.open()
      const own = context.with(broker)
      const topic = await own.topic('leaks')
      const group = await own.group(topic)
      const sent = events(50, `e${round}`)
      await own.publish(topic, sent)
      const consumer = await own.consumer(topic, group)
      await share(own, [consumer], ids(sent), 20)
      await own.publish(topic, [event('held'), event('also-held')])
      await take(own, consumer, 1)
      const idle = await own.consumer(topic, group)
      const waiting = Promise.allSettled([idle.pull({ max: 1, waitMs: 60_000, signal: new AbortController().signal })])
      await own.within('the broker closes', broker.close())
      await own.within('a waiting pull ends', waiting)
    }
    await cycle(0)
    const before = resources()
    for (let round = 1; round <= 10; round++) await cycle(round)
    let more: string[] = []
    const probe = async () => {
      more = [...resources()].filter(([kind, n]) => n > (before.get(kind) ?? 0)).map(([kind, n]) => `${n} × ${kind}`)
      return more.length === 0
    }
    await until(context.deadlineMs, 'what was opened is closed', probe, 100).catch((error: Error) => {
      const had = [...before].map(([kind, n]) => `${n} × ${kind}`).join(', ')
      assert.fail(`${error.message} Held: ${more.join(', ')}; before: ${had}`)
    })
  },
}

export const lifecycleScenarios: readonly Scenario[] = [consumers, brokers, restartKeeps, slowConsumer, leaks]
