import type { Broker } from '../brokers/broker.ts'
import { Contest } from '../brokers/contest.ts'
import type { ClientTask } from '../brokers/job.ts'
import { closedTask, measure, warm } from '../brokers/publish.ts'
import type { Lab } from '../measure/lab.ts'
import type { Measured } from '../measure/publish.ts'

/** Full speed beside the HTTP stack, and a single caller beside the client library. */
export async function closed(lab: Lab, broker: Broker): Promise<Measured> {
  const { seconds } = lab.options
  const kinds = ['ceiling', 'gateway', 'one', 'client'] as const
  const section = 'closed loop, one event a request'
  const { result: rows, counts } = await Contest.hold(lab, broker, 'closed', kinds, async (contest) => {
    const single: ClientTask = { kind: 'send', seconds }
    const full = contest.http(closedTask(64, seconds), 'ceiling', 'gateway', 'one')
    await warm(lab, [...full, contest.own(single)])
    return measure(lab, section, [
      {
        name: '1 connection',
        bases: ['client'],
        entries: [...contest.http(closedTask(1, seconds), 'ceiling', 'gateway'), contest.own(single)],
      },
      { name: '64 connections', bases: ['ceiling'], entries: full },
    ])
  })
  return { rows, counts }
}

/** The same at full speed on three nodes, where a record waits for its replicas. */
export async function three(lab: Lab, broker: Broker): Promise<Measured> {
  const kinds = ['ceiling', 'gateway', 'one'] as const
  const section = 'three nodes, one event a request'
  const { result: rows, counts } = await Contest.hold(lab, broker, 'three', kinds, async (contest) => {
    const entries = contest.http(closedTask(64, lab.options.seconds), ...kinds)
    await warm(lab, entries)
    return measure(lab, section, [{ name: '64 connections', bases: ['ceiling'], entries }])
  })
  return { rows, counts }
}
