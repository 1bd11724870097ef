import type { Config } from '../../../adapters/kafka/index.ts'
import { kafka } from '../../../adapters/kafka/index.ts'
import { Partitioner } from '../../../adapters/kafka/partitioner.ts'
import type { Broker, PartitionPlacement } from '../../../src/core/broker.ts'
import type { KafkaCluster } from '../../brokers/services/kafka.ts'
import { Random } from '../../conformance/random.ts'
import { pause, until } from '../../conformance/waiting.ts'
import { Ledger } from '../ledger.ts'
import { createTopic, inSync, leaderOf, partitions, placed, placement } from './cluster.ts'
import { type Drained, drain } from './drain.ts'
import { graceMs, Load, type Request } from './load.ts'
import type { Wire } from './wire.ts'

export interface PublishRun {
  readonly seed: number
  /** How often the fault comes. */
  readonly rounds: number
  /** So many events are acknowledged before the fault, and after it. */
  readonly burst: number
  /** How long a publish may take; the core adds its grace. */
  readonly deadlineMs?: number
}

export interface PublishReport extends Drained {
  readonly fault: string
  readonly seed: number
  readonly failed: number
  /** From each heal until every partition acknowledged again. */
  readonly recoveryMs: readonly number[]
  readonly longestMs: number
  /** What else the port's word was broken by. */
  readonly broken: readonly string[]
}

/** I6. */
const recoverMs = 30_000
/** What a busy machine may add. */
const slackMs = 1500
const publishers = 8
/** Against hanging: until the dice have reset enough. */
const roughMs = 300_000

export function configOf(bootstrap: readonly string[], more: object = {}): Config {
  return kafka.config.parse({ type: 'kafka', bootstrap, requestTimeout: '1500ms', sessionTimeout: '4s', ...more })
}

let made = 0

/** A name that no other run on the cluster has. */
export function freshTopic(stem: string): string {
  return `${stem}-${++made}`
}

/** What a fault's steps have at hand. */
export interface Scene {
  readonly cluster: KafkaCluster
  readonly broker: Broker
  readonly topic: string
  readonly load: Load
  readonly random: Random
  /** Everything acknowledges again, within what I6 allows; `healed` is when it could. */
  recovered(healed: number): Promise<void>
  broken(what: string): void
}

/** Publishes under load while `inject` does its worst, and compares what was acknowledged with what is there. */
export async function publishDuring(
  fault: string,
  cluster: KafkaCluster,
  { seed, rounds, burst, deadlineMs = 4000 }: PublishRun,
  inject: (scene: Scene) => Promise<void>,
): Promise<PublishReport> {
  const topic = freshTopic(fault.replaceAll(' ', '-'))
  const broker = await kafka.open(configOf(cluster.bootstrap))
  const ledger = new Ledger()
  const load = new Load(broker, topic, ledger, { seed, publishers, deadlineMs, paceMs: 10, batch: 30 })
  const recoveryMs: number[] = []
  const broken: string[] = []
  try {
    await createTopic(broker, topic)
    const scene: Scene = {
      cluster,
      broker,
      topic,
      load,
      random: new Random(seed),
      recovered: async (healed) => {
        recoveryMs.push(await load.recovers(healed, partitions, recoverMs))
      },
      broken: (what) => broken.push(what),
    }
    load.start()
    for (let round = 0; round < rounds; round++) {
      await load.acknowledges(burst)
      await inject(scene)
    }
    await load.acknowledges(burst)
    await load.stop()
    const drained = await drain(broker, topic, ledger)
    const { failed, longestMs, violations } = load
    if (longestMs > deadlineMs + graceMs + slackMs) broken.push(`a publish took ${longestMs} ms`)
    return { ...drained, fault, seed, failed, recoveryMs, longestMs, broken: [...broken, ...violations] }
  } finally {
    await load.stop()
    await broker.close()
  }
}

/** Row 1: whoever leads the most is killed in mid-burst; the others take over before it is back. */
export async function killLeader(scene: Scene): Promise<void> {
  const { cluster, broker, topic, recovered } = scene
  const node = await leaderOf(cluster, broker, topic)
  const killed = Date.now()
  await node.kill()
  await recovered(killed)
  await node.start()
  await inSync(broker, topic)
}

/** Row 2: below min.insync.replicas nothing may be acknowledged, and every publish is answered in time. */
export async function killTwo(scene: Scene): Promise<void> {
  const { cluster, broker, topic, load, random, recovered, broken } = scene
  const kept = random.pick(cluster.nodes)
  const others = cluster.nodes.filter((node) => node !== kept)
  await Promise.all(others.map((node) => node.kill()))
  const killed = Date.now()
  const since = (): Request[] => load.requests.filter(({ began }) => began >= killed)
  await until(recoverMs, 'publishes are answered without a majority', async () => since().length >= 2 * publishers, 100)
  const told = since().flatMap(({ results }) => results)
  const stored = told.filter(({ status }) => status === 'stored')
  if (stored.length > 0) broken(`${stored.length} events were acknowledged by one node of three`)
  await Promise.all(others.map((node) => node.start()))
  await recovered(Date.now())
  await inSync(broker, topic)
}

/** Row 3: a leader stands still for longer than its session, and then goes on as if nothing had been. */
export function pauseLeader(ms: number): (scene: Scene) => Promise<void> {
  return async ({ cluster, broker, topic, recovered }) => {
    const node = await leaderOf(cluster, broker, topic)
    const paused = Date.now()
    await node.pause()
    await recovered(paused)
    await pause(Math.max(0, paused + ms - Date.now()))
    await node.resume()
    await recovered(Date.now())
    await inSync(broker, topic)
  }
}

/** Row 4: every node, one after the other, as an operator does it. */
export async function roll({ cluster, broker, topic, recovered }: Scene): Promise<void> {
  for (const node of cluster.nodes) {
    await node.stop()
    await node.start()
    await inSync(broker, topic)
  }
  await recovered(Date.now())
}

/** Row 6: what goes over the wire is late, comes in slices, and now and then is lost with its connection. */
export function roughenWire(wire: Wire, resets: number): (scene: Scene) => Promise<void> {
  return async ({ load, recovered }) => {
    const before = wire.resets
    wire.roughen()
    await load.acknowledges(200)
    await until(roughMs, `${resets} connections are reset`, async () => wire.resets - before >= resets)
    await load.acknowledges(200)
    wire.smooth()
    await recovered(Date.now())
  }
}

/** What each acknowledgement was worth when its leader was lost with its disk's last words. */
export interface Worth {
  readonly leader: Drained
  readonly all: Drained
}

/**
 * The negative control: while both followers stand still, a leader goes on to acknowledge by itself what it is asked to
 * (acks: leader), and is killed. What it alone had is gone when one of the others leads. Beside it `acks: all` under the
 * same fault, which must not lose anything.
 */
export async function loseLeader(cluster: KafkaCluster, seed: number): Promise<Worth> {
  const sides = await Promise.all([Side.open(cluster, 'leader'), Side.open(cluster, 'all')])
  try {
    const victim = await leaderOf(cluster, sides[0]!.broker, sides[0]!.topic)
    const followers = cluster.nodes.filter((node) => node !== victim)
    for (const side of sides) await side.begin(victim.id, seed)
    await Promise.all(sides.map(({ load }) => load!.acknowledges(100)))
    await Promise.all(followers.map((node) => node.pause()))
    // The very next ones may still be on their way to the followers.
    await sides[0]!.load!.acknowledges(500)
    await victim.kill()
    await Promise.all(sides.map(({ load }) => load!.stop()))
    await Promise.all(followers.map((node) => node.resume()))
    const gone = ({ leader }: PartitionPlacement): boolean => leader !== undefined && leader !== victim.id
    for (const { broker, topic } of sides) await placed(broker, topic, 'others lead', gone)
    await victim.start()
    for (const { broker, topic } of sides) await inSync(broker, topic)
    const [leader, all] = await Promise.all(sides.map((side) => drain(side.broker, side.topic, side.ledger, 0)))
    return { leader: leader!, all: all! }
  } finally {
    await Promise.all(sides.map((side) => side.close()))
  }
}

/** A topic that is published to with one kind of acknowledgement. */
class Side {
  readonly broker: Broker
  readonly topic: string
  readonly ledger = new Ledger()
  load: Load | undefined

  private constructor(broker: Broker, topic: string) {
    this.broker = broker
    this.topic = topic
  }

  static async open(cluster: KafkaCluster, acks: 'leader' | 'all'): Promise<Side> {
    const topic = freshTopic(`acks-${acks}`)
    const broker = await kafka.open(configOf(cluster.bootstrap, { acks }))
    await createTopic(broker, topic)
    return new Side(broker, topic)
  }

  /** Publishes what goes to this leader only: nobody else can answer soon. */
  async begin(leader: number, seed: number): Promise<void> {
    const led = (await placement(this.broker, this.topic)).filter((one) => one.leader === leader)
    const wanted = new Set(led.map(({ partition }) => partition))
    const partitioner = new Partitioner(undefined)
    const isLed = (key: string): boolean => wanted.has(partitioner.ofKey(key, Buffer.from(key), partitions))
    const keysOf = (publisher: number): string[] =>
      Array.from({ length: 50 }, (_, i) => `c${publisher}-key-${i}`).filter(isLed)
    this.load = new Load(this.broker, this.topic, this.ledger, {
      seed,
      publishers,
      deadlineMs: 4000,
      paceMs: 10,
      batch: 30,
      keysOf,
    })
    this.load.start()
  }

  async close(): Promise<void> {
    await this.load?.stop()
    await this.broker.close()
  }
}

/** One line for whoever reads the output of a run. */
export function summary(report: PublishReport): string {
  const { fault, seed, attempted, acknowledged, failed, unknown, repeated, checked, duplicates } = report
  const counts = `${attempted} events attempted, ${acknowledged} acknowledged, ${failed} failed, ${unknown} unknown, ${repeated} published again`
  const times = `recovered in ${report.recoveryMs.join(', ') || '-'} ms, longest publish ${report.longestMs} ms`
  const wrong = report.violations.length + report.broken.length
  return `SLUICE_SEED=${seed} ${fault}: ${counts}, ${checked} checked, ${duplicates} duplicates, ${wrong} violations, ${times}`
}
