import type { findCoordinatorV6 } from '@platformatic/kafka'
import { KafkaClient } from '../../../adapters/kafka/client.ts'
import { connectionOf } from '../../../adapters/kafka/connection.ts'
import { groupIdOf, readPlaces } from '../../../adapters/kafka/consume/places.ts'
import { kafka } from '../../../adapters/kafka/index.ts'
import type { Broker } from '../../../src/core/broker.ts'
import type { KafkaNode } from '../../brokers/services/kafka/node.ts'
import type { KafkaCluster } from '../../brokers/services/kafka.ts'
import { Random } from '../../conformance/random.ts'
import { pause, until } from '../../conformance/waiting.ts'
import { Ledger } from '../ledger.ts'
import { createTopic, inSync, nodeOf, partitions } from './cluster.ts'
import { type ConsumeReport, checkCompletions } from './completions.ts'
import { readLog } from './drain.ts'
import { Load } from './load.ts'
import { Member } from './member.ts'
import { configOf, freshTopic } from './publishing.ts'
import { sharedClock, type WorkerTask } from './report.ts'

/** Against hanging: a session of whoever was killed, and then what was left. */
const drainMs = 60_000
const group = 'workers'
const publishers = 3
const spares = 3

/** The members of a group, and what is published meanwhile. */
export class Crowd {
  readonly cluster: KafkaCluster
  readonly seed: number
  readonly random: Random
  readonly broker: Broker
  readonly topic: string
  readonly group = group
  readonly load: Load
  /** All that there ever were. */
  readonly members: Member[] = []
  /** Started ahead, for a process takes longer to start than to join. */
  readonly #spares: Member[] = []
  #started = 0

  private constructor(cluster: KafkaCluster, broker: Broker, topic: string, seed: number) {
    this.cluster = cluster
    this.#prepare()
    this.broker = broker
    this.topic = topic
    this.seed = seed
    this.random = new Random(seed)
    this.load = new Load(broker, topic, new Ledger(), { seed, publishers, deadlineMs: 10_000, paceMs: 50, batch: 10 })
  }

  static async gather(cluster: KafkaCluster, stem: string, seed: number): Promise<Crowd> {
    const broker = await kafka.open(configOf(cluster.bootstrap))
    const topic = freshTopic(stem)
    await createTopic(broker, topic)
    await broker.groups.create(topic, group, { start: 'earliest', leaseMs: 30_000, maxAttempts: 5 })
    return new Crowd(cluster, broker, topic, seed)
  }

  /** Another process asks to be a member; it is one once it says so. */
  enter(more: Partial<WorkerTask> = {}): Member {
    const { topic, seed, members } = this
    const task = { topic, group, seed: seed + members.length, prefetch: 100, handleMs: 3, early: false, held: false }
    const member = this.#spares.shift()!
    member.enter({ ...task, ...more, config: configOf(this.cluster.bootstrap) })
    members.push(member)
    this.#prepare()
    return member
  }

  #prepare(): void {
    while (this.#spares.length < spares) this.#spares.push(new Member(`m${this.#started++}`))
  }

  /** Waits until everything that was published is settled. */
  async settled(): Promise<void> {
    const describe = () => this.broker.groups.describe(this.topic, group)
    await until(drainMs, 'the group has no lag', async () => (await describe()).lag?.events === 0, 100)
  }

  /** What is committed, asked of the group itself. */
  async places(): Promise<ReadonlyMap<number, number>> {
    const all = Array.from({ length: partitions }, (_, partition) => partition)
    const groupId = groupIdOf(this.topic, group)
    const places = await this.#asking((client) => readPlaces(client, client.control, groupId, this.topic, all))
    return new Map([...places].map(([partition, { offset }]) => [partition, offset]))
  }

  async #asking<T>(ask: (client: KafkaClient) => Promise<T>): Promise<T> {
    const client = new KafkaClient(connectionOf(configOf(this.cluster.bootstrap)))
    try {
      await client.ping()
      return await ask(client)
    } finally {
      await client.end()
    }
  }

  /** The node that keeps the group. */
  async coordinator(): Promise<KafkaNode> {
    return await this.#asking(async (client) => {
      const groupKey = 0
      const { coordinators } = await client.callAny<[number, string[]], findCoordinatorV6.FindCoordinatorResponse>(
        'FindCoordinator',
        groupKey,
        [groupIdOf(this.topic, group)],
      )
      return nodeOf(this.cluster, coordinators[0]!.nodeId)
    })
  }

  async check(answersLost: boolean): Promise<ConsumeReport> {
    return checkCompletions(this.members, await readLog(this.broker, this.topic), answersLost)
  }

  async end(): Promise<void> {
    await this.load.stop()
    await Promise.all([...this.members, ...this.#spares].map((member) => member.remove()))
    await this.broker.close()
  }
}

/** Row 15: members come and go every `everyMs`, up to `most` at once, while events are published. */
export async function churn(crowd: Crowd, most: number, durationMs: number, everyMs: number): Promise<void> {
  const { random, load } = crowd
  const present = [crowd.enter()]
  const leaving: Promise<void>[] = []
  await present[0]!.joined()
  load.start()
  const end = Date.now() + durationMs
  for (let next = Date.now(); Date.now() < end; await pause(Math.max(0, next - Date.now()))) {
    next += everyMs
    // Who has not come yet cannot go, and whoever is alone waits for another one to go against.
    const there = present.filter((member) => member.count('joined') > 0)
    const comes = present.length < 2 || (present.length < most && random.next() < 0.5)
    if (comes) present.push(crowd.enter())
    else if (there.length > 1) {
      const member = random.pick(there)
      present.splice(present.indexOf(member), 1)
      leaving.push(member.stop())
    }
  }
  await load.stop()
  await crowd.settled()
  await Promise.all([...leaving, ...present.map((member) => member.joined().then(() => member.stop()))])
}

/** One line for whoever reads the output of a run. */
export function consumeSummary(what: string, seed: number, report: ConsumeReport): string {
  const { members, published, delivered, completed, unknown, refused, violations } = report
  return `SLUICE_SEED=${seed} ${what}: ${members} members, ${published} events published, ${delivered} deliveries, ${completed} completed, ${unknown} unknown, ${refused} refused, ${violations.length} violations`
}

/** A member is killed while it has something in hand, and another one comes; so many times. */
export async function killMembers(crowd: Crowd, kills: number): Promise<void> {
  const { random, load } = crowd
  const present = [crowd.enter(), crowd.enter()]
  await Promise.all(present.map((member) => member.joined()))
  load.start()
  for (let kill = 0; kill < kills; kill++) {
    const victim = random.pick(present)
    const before = victim.count('received')
    await victim.until('has work', () => victim.count('received') >= before + 50 && victim.inHand > 0)
    await victim.kill()
    present.splice(present.indexOf(victim), 1)
    const next = crowd.enter()
    present.push(next)
    // Its partitions come from the dead one, once the group gives that up.
    await next.until('has work of its own', () => next.count('settled') > 0)
  }
  await load.stop()
  await crowd.settled()
  await Promise.all(present.map((member) => member.stop()))
}

/** The node that keeps the group is killed; answers how long after each kill both members had settled again. */
export async function loseCoordinator(crowd: Crowd, kills: number): Promise<readonly number[]> {
  const { load, broker, topic } = crowd
  const members = [crowd.enter(), crowd.enter()]
  await Promise.all(members.map((member) => member.joined()))
  load.start()
  const recoveryMs: number[] = []
  for (let kill = 0; kill < kills; kill++) {
    await load.acknowledges(200)
    const node = await crowd.coordinator()
    await node.kill()
    const [killed, before] = [Date.now(), sharedClock()]
    await Promise.all(members.map((member) => member.until('settles again', () => member.settledSince(before))))
    recoveryMs.push(Date.now() - killed)
    await node.start()
    await inSync(broker, topic)
  }
  await load.stop()
  await crowd.settled()
  await Promise.all(members.map((member) => member.stop()))
  return recoveryMs
}

/** What came of a member that stood still for longer than its session. */
export interface Zombie {
  /** What it had in hand when it was stopped, and what became of each settlement after it woke. */
  readonly held: number
  readonly refusals: readonly (string | undefined)[]
  /** The group's places, before it woke and after its last settlement. */
  readonly before: ReadonlyMap<number, number>
  readonly after: ReadonlyMap<number, number>
}

/** Two members hold everything back; one stands still until the other has what it had, and then settles. */
export async function wakeZombie(crowd: Crowd): Promise<Zombie> {
  const { load } = crowd
  const held = { held: true, prefetch: 10_000 }
  const [zombie, heir] = [crowd.enter(held), crowd.enter(held)]
  await Promise.all([zombie.joined(), heir.joined()])
  load.start()
  await load.acknowledges(200)
  await load.stop()
  const log = await readLog(crowd.broker, crowd.topic)
  const all = new Set(log.map(({ position }) => position))
  await until(drainMs, 'both have their share', async () => positionsOf(zombie, heir).size === all.size)
  await zombie.until('has work', () => zombie.count('handled') > 0)
  await zombie.pause()
  const share = positionsOf(zombie).size
  await heir.until('has everything', () => positionsOf(heir).size === all.size)
  const before = await crowd.places()
  zombie.release()
  zombie.resume()
  await zombie.until('is answered for what it had', () => zombie.count('settled') >= share)
  const after = await crowd.places()
  const refusals = zombie.reports.flatMap((report) => (report.event === 'settled' ? [report.error] : []))
  heir.release()
  await crowd.settled()
  await Promise.all([zombie.stop(), heir.stop()])
  return { held: share, refusals, before, after }
}

function positionsOf(...members: readonly Member[]): Set<string> {
  const reports = members.flatMap((member) => member.reports)
  return new Set(reports.flatMap((report) => (report.event === 'received' ? [report.position] : [])))
}

/** The negative control: a consumer that settles before it handles is killed in between. */
export async function commitEarly(crowd: Crowd): Promise<void> {
  const { load } = crowd
  const hasty = crowd.enter({ early: true, handleMs: 100 })
  await hasty.joined()
  load.start()
  await hasty.until('has settled', () => hasty.count('settled') >= hasty.count('handled') + 5)
  await hasty.kill()
  await load.stop()
  const next = crowd.enter()
  await next.joined()
  await crowd.settled()
  await next.stop()
}
