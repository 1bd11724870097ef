import type { Broker } from '../brokers/broker.ts'
import { Contest } from '../brokers/contest.ts'
import { measure } from '../brokers/publish.ts'
import { eventBytes } from '../load/job.ts'
import { wholeLog } from '../measure/count.ts'
import type { Lab } from '../measure/lab.ts'
import type { Measured } from '../measure/publish.ts'
import { fill } from '../measure/read.ts'

const logEvents = 100_000

/** The gateway and the client library read the same topic, whole, again and again. */
export async function read(lab: Lab, broker: Broker): Promise<Measured> {
  const { seconds, quick } = lab.options
  const { result: rows, counts } = await Contest.hold(lab, broker, 'read', ['gateway', 'client'], async (contest) => {
    await fill(contest.gateway, quick ? logEvents / 4 : logEvents)
    const topic = contest.topic('gateway')
    const events = await broker.stored(topic)
    const entries = [
      ...contest.http({ kind: 'read', path: wholeLog, connections: 1, seconds }, 'gateway'),
      contest.own({ kind: 'consume', topic, events, seconds }),
    ]
    const name = `${events} events`
    return measure(lab, `log read as NDJSON, events of ${eventBytes} bytes`, [{ name, bases: ['client'], entries }])
  })
  return { rows, counts }
}
