import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { conformance, run } from '../conformance/index.ts'
import { type ElasticMq, startElasticMq } from './services/elasticmq.ts'
import { type Fauxqs, startFauxqs } from './services/fauxqs.ts'
import { AwsProxy } from './sqs/proxy.ts'
import { sqsTarget } from './sqs-target.ts'

let fauxqs: Fauxqs
let elasticMq: ElasticMq
const proxies: AwsProxy[] = []
beforeAll(async () => {
  fauxqs = await startFauxqs()
  elasticMq = await startElasticMq()
  proxies.push(await AwsProxy.before(fauxqs.config.endpoint), await AwsProxy.before(elasticMq.config.endpoint))
}, 120_000)
afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.close()))
  await fauxqs?.stop()
  await elasticMq?.stop()
})

conformance(
  sqsTarget(
    'sqs, FIFO',
    { fifo: true },
    () => proxies[0]!,
    () => fauxqs.config.endpoint,
  ),
  { describe, it, concurrent: it.concurrent },
)

/** A receive there takes a time that grows with the square of the messages: what has hundreds of them at once is left out. */
const tooMany = new Set([9, 29, 37])

test('a second opinion, of ElasticMQ, on what has few events', { timeout: 500_000 }, async () => {
  const target = sqsTarget(
    'sqs, FIFO, ElasticMQ',
    { fifo: true },
    () => proxies[1]!,
    () => elasticMq.config.endpoint,
  )
  const outcomes = await run(target, { lanes: 4, only: ({ id, alone }) => !tooMany.has(id) && alone !== true })
  const failed = outcomes.flatMap((one) => (one.status === 'failed' ? [`${one.key}: ${one.error.message}`] : []))
  expect(failed).toEqual([])
  expect(outcomes.length).toBeGreaterThan(40)
})
