import { Client, type ClientOptions } from '../client.ts'
import { clientOptions, define } from '../define.ts'
import { wrongUse } from '../exit.ts'
import { follow } from '../follow.ts'
import { colours, note, printPaced, wantsJson } from '../io.ts'
import { untilSignal } from '../signals.ts'

interface TailOptions extends ClientOptions {
  readonly from: string
  readonly type?: string
  readonly limit?: string
  readonly json?: boolean
}

export const tail = clientOptions(
  define('tail', 'Follow the events of a topic. When the connection breaks, it goes on after the last event seen.', [
    'sluice tail orders',
    'sluice tail orders --from earliest --type order.created',
    'sluice tail orders --from 2026-01-31T12:00:00Z | jq .event.data',
  ]),
)
  .argument('<topic>')
  .option('--from <place>', 'earliest, latest, a time, or a cursor', 'latest')
  .option('--type <type>', 'only events of this type')
  .option('-n, --limit <count>', 'end after so many events')
  .action(async (topic: string, options: TailOptions) => {
    const signal = untilSignal()
    const limit = options.limit === undefined ? Number.POSITIVE_INFINITY : Number(options.limit)
    if (!(limit >= 1)) throw wrongUse('--limit must be a number of events.')
    const path = `/v1/topics/${encodeURIComponent(topic)}/events`
    const json = wantsJson(options)
    const onBreak = (): void => {
      if (!json) note(colours.dim('The connection broke; trying again.'))
    }
    const { from, type } = options
    let seen = 0
    try {
      for await (const entry of follow(new Client(options), path, { from, type, onBreak, signal })) {
        await printPaced(json ? entry : pretty(entry))
        if (++seen >= limit) return
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  })

/** One event for people: when, what, for which key, and its data cut to a line. */
function pretty(line: string): string {
  const { event } = JSON.parse(line) as { event: Record<string, unknown> }
  const data = 'data_base64' in event ? `${String(event.data_base64)} (base64)` : JSON.stringify(event.data ?? null)
  const width = Math.max(40, (process.stdout.columns ?? 120) - 60)
  const shown = data.length > width ? `${data.slice(0, width - 1)}…` : data
  const key = event.partitionkey === undefined ? '' : ` ${colours.yellow(String(event.partitionkey))}`
  return `${colours.dim(String(event.time))} ${colours.cyan(String(event.type))}${key} ${shown}`
}
