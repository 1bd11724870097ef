// The ceiling: a bare loop of signed POSTs over keep-alive connections, to the same endpoints, with the same body and
// headers. undici's `Pool.request` and its `dispatch`; nothing is matched, stored, settled or logged.
import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { type Dispatcher, Pool } from 'undici'
import { answerJobs } from '../load/answer.ts'
import type { Outcome } from '../load/job.ts'
import { Tally } from '../load/tally.ts'
import { oneEvent } from './events.ts'

export interface PostJob {
  readonly api: 'request' | 'dispatch'
  readonly ports: readonly number[]
  /** All ports together. */
  readonly connections: number
  readonly seconds: number
}

const key = createSecretKey(randomBytes(32))
let sent = 0

function headersFor(body: Buffer): string[] {
  const id = `dlv_${String(++sent).padStart(32, '0')}`
  const timestamp = String(Math.floor(Date.now() / 1000))
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
  return [
    ...['user-agent', 'Sluice/1', 'content-type', 'application/cloudevents+json', 'webhook-id', id],
    ...['webhook-timestamp', timestamp, 'webhook-signature', `v1,${signature}`, 'webhook-attempt', '1'],
  ]
}

async function request(pool: Pool, body: Buffer): Promise<number> {
  const answer = await pool.request({ path: '/', method: 'POST', headers: headersFor(body), body })
  await answer.body.dump()
  return answer.statusCode
}

function dispatch(pool: Pool, body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    let status = 0
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onResponseStart(_, code) {
        status = code
      },
      onResponseData() {},
      onResponseEnd: () => resolve(status),
      onResponseError: (_, error) => reject(error),
    }
    pool.dispatch({ path: '/', method: 'POST', headers: headersFor(body), body }, handler)
  })
}

async function post({ api, ports, connections, seconds }: PostJob): Promise<Outcome> {
  const send = api === 'request' ? request : dispatch
  const each = Math.max(1, Math.round(connections / ports.length))
  const pools = ports.map((port) => new Pool(`http://127.0.0.1:${port}`, { connections: each, pipelining: 1 }))
  const body = oneEvent()
  const tally = new Tally()
  const until = performance.now() + seconds * 1000
  const loop = async (pool: Pool): Promise<void> => {
    while (performance.now() < until) {
      tally.sent++
      const status = await send(pool, body)
      tally.answers++
      if (status === 200) tally.events++
      else tally.fail(`status ${status}`)
    }
  }
  await Promise.all(pools.flatMap((pool) => Array.from({ length: each }, () => loop(pool))))
  const outcome = tally.outcome()
  await Promise.all(pools.map((pool) => pool.destroy()))
  return outcome
}

answerJobs(post)
