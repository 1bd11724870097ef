import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type ClientOptions, Refused } from '../client.ts'
import { clientOptions, define } from '../define.ts'
import { CliError, exitCode, wrongUse } from '../exit.ts'
import { colours, note, printPaced, wantsJson } from '../io.ts'
import { untilSignal } from '../signals.ts'
import { readServerSentEvents } from '../sse.ts'

interface TailOptions extends ClientOptions {
  readonly from: string
  readonly type?: string
  readonly limit?: string
  readonly json?: boolean
}

/** A reconnect begins soon and slows down. */
const waits = [100, 250, 500, 1000, 2000, 5000]

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
    try {
      await follow(new Client(options), path, options, limit, signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  })

async function follow(
  client: Client,
  path: string,
  options: TailOptions,
  limit: number,
  signal: AbortSignal,
): Promise<void> {
  const json = wantsJson(options)
  const query = { type: options.type }
  // "Latest" is now: after a break it would be later, and what came between would be missing.
  let cursor = options.from === 'latest' ? await endOf(client, path, signal) : undefined
  let seen = 0
  let failures = 0
  for (let connected = false; seen < limit; ) {
    try {
      const response = await client.request(path, {
        query: { ...query, from: cursor ?? options.from },
        headers: { accept: 'text/event-stream', ...(cursor !== undefined && { 'last-event-id': cursor }) },
        signal,
      })
      connected = true
      failures = 0
      for await (const { data, id } of readServerSentEvents(response.body as AsyncIterable<Uint8Array>)) {
        cursor = id ?? cursor
        if (data === undefined) continue
        await printPaced(json ? data : pretty(data))
        if (++seen >= limit) return
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof Refused && !error.retryable) throw error
      if (error instanceof CliError && !connected) throw error
    }
    if (failures === 0 && !json) note(colours.dim('The connection broke; trying again.'))
    await sleep(waits[Math.min(failures++, waits.length - 1)]!, undefined, { signal })
  }
}

async function endOf(client: Client, path: string, signal: AbortSignal): Promise<string> {
  const response = await client.request(path, { query: { from: 'latest', limit: '1' }, signal })
  const { next } = (await response.json()) as { next?: string }
  if (next === undefined) throw new CliError(exitCode.failed, 'The gateway gave no cursor to begin from.')
  return next
}

/** One event for people: when, what, for which key, and its data cut to a line. */
function pretty(line: string): string {
  const { event } = JSON.parse(line) as { event: Record<string, unknown> }
  const data = 'data_base64' in event ? `${String(event.data_base64)} (base64)` : JSON.stringify(event.data ?? null)
  const width = Math.max(40, (process.stdout.columns ?? 120) - 60)
  const shown = data.length > width ? `${data.slice(0, width - 1)}…` : data
  const key = event.partitionkey === undefined ? '' : ` ${colours.yellow(String(event.partitionkey))}`
  return `${colours.dim(String(event.time))} ${colours.cyan(String(event.type))}${key} ${shown}`
}
