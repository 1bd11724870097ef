import type { Config } from '../../../adapters/kafka/index.ts'
import { kafka } from '../../../adapters/kafka/index.ts'
import type { Broker } from '../../../src/core/broker.ts'
import type { KafkaCluster } from '../../brokers/services/kafka.ts'
import { Random } from '../../conformance/random.ts'
import { pause, until } from '../../conformance/waiting.ts'
import { Ledger } from '../ledger.ts'
import { createTopic, inSync, leaderOf, partitions } from './cluster.ts'
import { type Drained, drain } from './drain.ts'
import { graceMs, Load, type Request } from './load.ts'

export interface PublishRun {
  readonly seed: number
  /** How often the fault comes. */
  readonly rounds: number
  /** So many events are acknowledged before the fault, and after it. */
  readonly burst: number
}

export interface PublishReport extends Drained {
  readonly fault: string
  readonly seed: number
  readonly failed: number
  /** From each heal until every partition acknowledged again. */
  readonly recoveryMs: readonly number[]
  readonly longestMs: number
  readonly deadlineMs: number
  /** What else the port's word was broken by. */
  readonly broken: readonly string[]
}

/** A publish that was begun before is over by then, and so is one that was begun at once after. */
const deadlineMs = 4000
/** I6. */
export const recoverMs = 30_000
/** What a busy machine may add. */
export const slackMs = 1500
const publishers = 8

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
  { seed, rounds, burst }: PublishRun,
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
    return { ...drained, fault, seed, failed, recoveryMs, longestMs, deadlineMs, broken: [...broken, ...violations] }
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

/** One line for whoever reads the output of a run. */
export function summary(report: PublishReport): string {
  const { fault, seed, attempted, acknowledged, failed, unknown, repeated, checked, duplicates } = report
  const counts = `${attempted} events attempted, ${acknowledged} acknowledged, ${failed} failed, ${unknown} unknown, ${repeated} published again`
  const times = `recovered in ${report.recoveryMs.join(', ') || '-'} ms, longest publish ${report.longestMs} ms`
  const wrong = report.violations.length + report.broken.length
  return `SLUICE_SEED=${seed} ${fault}: ${counts}, ${checked} checked, ${duplicates} duplicates, ${wrong} violations, ${times}`
}

export const longestPublishMs = deadlineMs + graceMs + slackMs
