import type { StreamInfo } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { NatsNode } from '../../brokers/services/nats/node.ts'
import { type NatsCluster, startNats } from '../../brokers/services/nats.ts'
import { seedOfRun } from '../../conformance/random.ts'
import { until } from '../../conformance/waiting.ts'
import { checked, healthy, type Ordering, Scene } from './scene.ts'

const timeout = 600_000

/** Which two of three servers die, and what is promised of the order. */
type Case = readonly [who: 'the leader and another' | 'both followers', ordering: Ordering]

/** Declares what happens when two of three servers die, `rounds` times for each case, on a cluster of its own. */
export function majorityFaults(cases: readonly Case[], rounds: number): void {
  const seed = seedOfRun()
  let cluster: NatsCluster
  /** A client that is not the gateway's. */
  let operator: NatsConnection
  let one: Scene

  beforeAll(async () => {
    cluster = await startNats({ nodes: 3 })
    const { servers, user, password: pass } = cluster
    operator = await connect({ servers: [...servers], user, pass, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
  }, 300_000)
  afterEach(async () => {
    for (const node of cluster.nodes) if (!node.running) await node.start()
    await Promise.all(cluster.nodes.map((node) => node.ready()))
    await one.close()
  })
  afterAll(async () => {
    await operator?.close()
    await cluster?.stop()
  })

  async function open(ordering: Ordering): Promise<void> {
    one = await Scene.open(cluster, seed, ordering, { replicas: 3, dedupWindowMs: 120_000 })
  }

  async function described(): Promise<StreamInfo | undefined> {
    const asked = operator.request(`$JS.API.STREAM.INFO.${one.topic}`, '', { timeout: 2000 })
    const answer = (await asked.catch(() => undefined))?.json<StreamInfo & { error?: object }>()
    return answer?.error === undefined ? answer : undefined
  }

  function leader(): Promise<string> {
    return until(30_000, 'the stream has a leader', async () => (await described())?.cluster?.leader)
  }

  /** The server that leads the stream comes first. */
  async function byRole(): Promise<readonly [NatsNode, NatsNode, NatsNode]> {
    const name = await leader()
    const [first, second, third] = cluster.nodes.toSorted((a, b) => Number(b.name === name) - Number(a.name === name))
    return [first!, second!, third!]
  }

  /** What publishers were told of everything that they sent since, once each of them was told something. */
  async function told(since: number): Promise<string[]> {
    const requests = await until(30_000, 'publishers are answered', async () => {
      const later = one.load.requests.filter(({ began }) => began > since)
      return later.length >= 4 && later
    })
    return requests.flatMap(({ results }) =>
      results.map((result) => (result.status === 'stored' ? 'stored' : `${result.status} ${result.error.code}`)),
    )
  }

  test.each(cases)(
    '%s die, order %s: nothing is said to be stored, nothing acknowledged is lost, and all goes on',
    {
      timeout,
    },
    async (who, ordering) => {
      await open(ordering)
      one.load.start()
      one.worker.start()
      for (let round = 0; round < rounds; round++) {
        await one.load.acknowledges(200)
        const [first, second, third] = await byRole()
        const dying = [second, who === 'both followers' ? third : first]
        await Promise.all(dying.map((node) => node.kill()))
        const answers = await told(Date.now())
        for (const answer of answers) expect(['failed unavailable', 'unknown unknown_outcome']).toContain(answer)
        const healed = Date.now()
        await Promise.all(dying.map((node) => node.start()))
        await one.recovered()
        await healthy(one)
        console.log(`${who}, ${ordering}: all goes on ${Date.now() - healed} ms after the heal`)
        await Promise.all(cluster.nodes.map((node) => node.ready()))
      }
      await checked(one, seed)
    },
  )
}
