import { kafka } from '../../../adapters/kafka/index.ts'
import type { Broker } from '../../../src/core/broker.ts'
import type { KafkaCluster } from '../../brokers/services/kafka.ts'
import { Random } from '../../conformance/random.ts'
import { pause, until } from '../../conformance/waiting.ts'
import { Ledger } from '../ledger.ts'
import { createTopic } from './cluster.ts'
import { type ConsumeReport, checkCompletions } from './completions.ts'
import { readLog } from './drain.ts'
import { Load } from './load.ts'
import { Member } from './member.ts'
import { configOf, freshTopic } from './publishing.ts'
import type { WorkerTask } from './report.ts'

/** Against hanging: a session of whoever was killed, and then what was left. */
const drainMs = 60_000
const group = 'workers'
const publishers = 3

/** The members of a group, and what is published meanwhile. */
export class Crowd {
  readonly seed: number
  readonly random: Random
  readonly broker: Broker
  readonly topic: string
  readonly group = group
  readonly load: Load
  /** All that there ever were. */
  readonly members: Member[] = []
  readonly #cluster: KafkaCluster

  private constructor(cluster: KafkaCluster, broker: Broker, topic: string, seed: number) {
    this.#cluster = cluster
    this.broker = broker
    this.topic = topic
    this.seed = seed
    this.random = new Random(seed)
    this.load = new Load(broker, topic, new Ledger(), { seed, publishers, deadlineMs: 10_000, paceMs: 30, batch: 10 })
  }

  static async gather(cluster: KafkaCluster, stem: string, seed: number): Promise<Crowd> {
    const broker = await kafka.open(configOf(cluster.bootstrap))
    const topic = freshTopic(stem)
    await createTopic(broker, topic)
    await broker.groups.create(topic, group, { start: 'earliest', leaseMs: 30_000, maxAttempts: 5 })
    return new Crowd(cluster, broker, topic, seed)
  }

  /** Starts a process; it is a member once it says so. */
  enter(more: Partial<WorkerTask> = {}): Member {
    const { topic, seed, members } = this
    const task = { topic, group, seed: seed + members.length, prefetch: 100, handleMs: 3, early: false, held: false }
    const config = configOf(this.#cluster.bootstrap)
    const member = new Member(`m${members.length}`, { ...task, ...more, config })
    members.push(member)
    return member
  }

  /** Waits until everything that was published is settled. */
  async settled(): Promise<void> {
    const describe = () => this.broker.groups.describe(this.topic, group)
    await until(drainMs, 'the group has no lag', async () => (await describe()).lag?.events === 0, 100)
  }

  async check(): Promise<ConsumeReport> {
    return checkCompletions(this.members, await readLog(this.broker, this.topic))
  }

  async end(): Promise<void> {
    await this.load.stop()
    await Promise.all(this.members.map((member) => member.remove()))
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
    // Who has not come yet cannot go.
    const settled = present.filter((member) => member.count('joined') > 0)
    const comes = present.length < 2 || (present.length < most && random.next() < 0.5)
    if (comes) present.push(crowd.enter())
    else if (settled.length > 0) {
      const member = random.pick(settled)
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
