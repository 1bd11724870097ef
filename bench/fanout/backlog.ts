import { Latencies } from '../histogram.ts'
import { JobProcess } from '../load.ts'
import type { Entry } from '../measure/lab.ts'
import { type Row, rowsOf } from '../measure/row.ts'
import { type Contender, Subject } from '../measure/subject.ts'
import type { Bench } from './bench.ts'
import type { PostJob } from './post.ts'
import type { Counted } from './receiving.ts'
import { Site, type Wish } from './site.ts'

export interface BacklogPlan {
  readonly name: string
  readonly destinations: number
  /** Each event is for one destination, in turn, or for all. */
  readonly wanting: 'own' | 'all'
  /** How many events are published for a round, faster than they can be delivered. */
  readonly burst: number
  /** Published while the subscription is paused: it comes from the log then, and not out of the group. */
  readonly paused?: boolean
}

/** What a single destination may have under way; as many connections as there are to all of several. */
const connections = 64
const batch = 100
const publishers = 8

/**
 * How fast what waits in the gateway's group, or in the log, is delivered. A round counts from the moment on when the last
 * event of the burst is acknowledged: nothing is published while it is measured.
 */
export async function backlog(bench: Bench, plan: BacklogPlan): Promise<Row[]> {
  const { name, destinations } = plan
  const { lab } = bench
  const bare = bareLoops(bench, destinations)
  const site = await Site.start('fanout', lab, bench.receiver, {
    subscriptions: wishes(bench, plan),
    database: bench.database,
  })
  try {
    const round = (events: number): ReturnType<Entry['round']> => drain(bench, site, plan, events)
    await round(Math.ceil(plan.burst / 3))
    const events = lab.options.quick ? Math.ceil(plan.burst / 4) : plan.burst
    const samples = await lab.interleave(name, [...bare.entries, { kind: 'fanout', round: () => round(events) }])
    return rowsOf('a backlog', name, samples, ['request'])
  } finally {
    await site.stop()
    await bare.stop()
  }
}

function wishes({ opened }: Bench, { destinations, wanting }: Omit<BacklogPlan, 'burst' | 'name'>): Wish[] {
  return Array.from({ length: destinations }, (_, i) => ({
    port: opened.ports[i]!,
    ...(destinations === 1 && { concurrency: connections }),
    ...(wanting === 'own' && destinations > 1 && { wants: i }),
  }))
}

async function drain({ receiver }: Bench, site: Site, plan: BacklogPlan, events: number): ReturnType<Entry['round']> {
  const { destinations, wanting, paused } = plan
  await site.quiet()
  await receiver.clear()
  // Whole batches, and as many events for each destination.
  const whole = Math.ceil(events / batch) * batch
  const deliveries = wanting === 'all' ? whole * destinations : whole
  const types = wanting === 'own' ? destinations : 1
  const job = { kind: 'burst', events: whole, batch, types, connections: publishers, seconds: 10 } as const
  if (paused === true) await site.pause()
  return site.sample(deliveries, async () => {
    const outcome = await site.publish(job)
    if (outcome.events !== whole) throw new Error(`Only ${outcome.events} of ${whole} were stored: ${outcome.failure}`)
    if (paused !== true) return receiver.count()
    const before = await receiver.count()
    await site.resume()
    return before
  })
}

/** The ceiling. */
function bareLoops(
  { lab, opened, receiver }: Bench,
  destinations: number,
): { entries: Entry[]; stop(): Promise<void> } {
  const loop = new JobProcess<PostJob>(new URL('./post.ts', import.meta.url), lab.releases)
  const entry = (kind: 'request' | 'dispatch'): Entry => {
    const self: Contender = { kind, usage: () => loop.usage(), stop: () => loop.stop() }
    const subject = new Subject(self, { run: (job: PostJob & { kind: string }) => loop.run(job), own: true })
    const ports = opened.ports.slice(0, destinations)
    const { seconds } = lab.options
    return {
      kind,
      async round() {
        await receiver.clear()
        const all = Math.max(connections, destinations)
        return subject.run({ kind, api: kind, ports, connections: all, seconds })
      },
    }
  }
  return { entries: [entry('request'), entry('dispatch')], stop: () => loop.stop() }
}

/** From the first event published to the last delivered, divided by the events: one a request, and in batches. */
export async function both(bench: Bench): Promise<Row[]> {
  const { lab, receiver } = bench
  const plan = { name: 'publishing and delivering', destinations: 1, wanting: 'own', burst: 40_000 } as const
  const bare = bareLoops(bench, 1)
  const site = await Site.start('fanout', lab, receiver, {
    subscriptions: wishes(bench, plan),
    database: bench.database,
  })
  try {
    const rows: Row[] = []
    const events = lab.options.quick ? plan.burst / 4 : plan.burst
    for (const [size, publishing, name] of [
      [1, 64, 'one event a request'],
      [batch, 2, `batches of ${batch}`],
    ] as const) {
      const job = { kind: 'burst', events, batch: size, types: 1, connections: publishing, seconds: 10 } as const
      const round = async (): ReturnType<Entry['round']> => {
        await site.quiet()
        await receiver.clear()
        const first: Counted = { ...(await receiver.count()), latency: new Latencies().encode() }
        const publishing = site.publish(job)
        const sample = await site.sample(events, async () => first)
        const { failures, failure } = await publishing
        return { ...sample, outcome: { ...sample.outcome, failures, failure } }
      }
      await round()
      const samples = await lab.interleave(`both, ${name}`, [...bare.entries, { kind: 'fanout', round }])
      rows.push(...rowsOf('publishing and delivering at once', name, samples, ['request']))
    }
    return rows
  } finally {
    await site.stop()
    await bare.stop()
  }
}
