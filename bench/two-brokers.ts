// node bench/two-brokers.ts [--rounds N] [--seconds N]
// One gateway with a topic on its own log and one on Kafka: what becomes of the first one's p99 while Kafka stands still,
// or is dead. In turn, healthy, broken and healthy again, for each of the two deaths.
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startKafka } from '../test/brokers/services/kafka.ts'
import { Latencies } from './histogram.ts'
import { startLoad } from './load.ts'
import { describeMachine } from './machine.ts'
import { spread } from './measure/row.ts'
import { Releases } from './release.ts'
import { machineText } from './report/text.ts'
import { startServer } from './server.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '10' } },
})
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)]
const ratePerSecond = 500
/** What clients go on publishing to Kafka meanwhile, whatever it answers. */
const farPerSecond = 50
const goal = 1.5

const releases = new Releases()
releases.onInterrupt()
const load = startLoad(releases)
const progress = (text: string): boolean => process.stderr.write(`${text}\n`)

try {
  const kafka = await startKafka({ progress })
  releases.add(() => kafka.stop())
  const [node] = kafka.nodes
  const folder = releases.folder(tmpdir()).path
  const file = join(folder, 'sluice.json')
  const configuration = {
    brokers: {
      log: { type: 'embedded', path: join(folder, 'log.db') },
      main: { type: 'kafka', bootstrap: kafka.bootstrap },
    },
    topics: { bench: { broker: 'log' }, far: { broker: 'main', ensure: { partitions: 6 } } },
    store: { type: 'sqlite', path: join(folder, 'store.db') },
  }
  writeFileSync(file, JSON.stringify(configuration))
  const words = ['src/cli/main.ts', 'serve', '-c', file, '--port', '0', '--json']
  const server = await startServer('durable', { dataIn: folder, token: undefined, one: words }, releases)
  const stopFar = publishFar(server.port)
  releases.add(stopFar)

  const measure = async (): Promise<{ p99: number; latency: string }> => {
    const job = { kind: 'open', ratePerSecond, port: server.port, connections: 64, seconds, token: undefined } as const
    const { latency, failures, failure } = await load.run(job)
    if (failures > 0) throw new Error(`${failures} requests for the topic of the log failed: ${failure}`)
    return { p99: Latencies.decode(latency).percentileMs(99), latency }
  }
  const deaths = {
    'stands still': { die: () => node!.pause(), heal: () => node!.resume() },
    'is dead': { die: () => node!.kill(), heal: () => node!.start() },
  }
  await measure()
  const lines: string[] = []
  for (const [name, { die, heal }] of Object.entries(deaths)) {
    const ratios: number[] = []
    const all = { healthy: [] as string[], broken: [] as string[] }
    for (let round = 1; round <= rounds; round++) {
      const before = await measure()
      await die()
      const broken = await measure()
      await heal()
      await answers(server.port)
      const after = await measure()
      const ratio = broken.p99 / Math.sqrt(before.p99 * after.p99)
      ratios.push(ratio)
      all.healthy.push(before.latency, after.latency)
      all.broken.push(broken.latency)
      const figures = [before, broken, after].map(({ p99 }) => p99.toFixed(2)).join(', ')
      progress(`Kafka ${name} · ${round} of ${rounds}: p99 ${figures} ms, ratio ${ratio.toFixed(2)}`)
    }
    const { median, min, max } = spread(ratios)
    const [healthy, broken] = [all.healthy, all.broken].map((latencies) => Latencies.merge(latencies).percentileMs(99))
    const verdict = median <= goal ? 'met' : 'missed'
    const ratio = `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`
    lines.push(
      `Kafka ${name}: p99 ${healthy!.toFixed(2)} → ${broken!.toFixed(2)} ms, ratio ${ratio}; goal ≤ ${goal}: ${verdict}`,
    )
  }
  const setting = `${ratePerSecond}/s to the log, open loop, ${farPerSecond}/s to Kafka; ${rounds} rounds of 3 × ${seconds} s; the ratio is to the mean of before and after`
  process.stdout.write(`${[machineText(describeMachine(folder)), setting, ...lines].join('\n')}\n`)
} finally {
  await releases.all()
}

/** Publishes to the topic on Kafka and minds no answer. Answers how to end it. */
function publishFar(port: number): () => Promise<void> {
  const ended = new AbortController()
  const running = new Set<Promise<unknown>>()
  const timer = setInterval(() => {
    const request = fetch(`http://127.0.0.1:${port}/v1/topics/far/events`, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json' },
      signal: ended.signal,
    })
      .then((response) => response.arrayBuffer())
      .catch(() => undefined)
    running.add(request)
    void request.finally(() => running.delete(request))
  }, 1000 / farPerSecond)
  return async () => {
    clearInterval(timer)
    ended.abort()
    await Promise.all(running)
  }
}

/** Resolves when Kafka takes events again and what waited for it has its answer. */
async function answers(port: number): Promise<void> {
  const end = Date.now() + 90_000
  for (let ready = 0; ready < 5 && Date.now() < end; ) {
    const { ok } = await fetch(`http://127.0.0.1:${port}/readyz`)
    ready = ok ? ready + 1 : 0
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}
