import { type Client, Refused } from './client.ts'
import { CliError, exitCode } from './exit.ts'
import { pause } from './patience.ts'
import { readServerSentEvents } from './sse.ts'

interface FollowOptions {
  /** earliest, latest, a time or a cursor. */
  readonly from: string
  readonly type?: string | undefined
  /** Called at the first break of a row of them. */
  readonly onBreak: () => void
  readonly signal: AbortSignal
}

/**
 * The entries of a topic's log as they come, each as the text of `{"position","event"}`. When the connection breaks, it
 * goes on after the last one. Rejects where the first connection is refused or fails, and when the signal aborts.
 */
export async function* follow(client: Client, path: string, options: FollowOptions): AsyncGenerator<string> {
  const { from, type, onBreak, signal } = options
  // "Latest" is now: after a break it would be later, and what came between would be missing.
  let cursor = from === 'latest' ? await endOf(client, path, signal) : undefined
  for (let connected = false, failures = 0; ; ) {
    try {
      const response = await client.request(path, {
        query: { type, from: cursor ?? from },
        headers: { accept: 'text/event-stream', ...(cursor !== undefined && { 'last-event-id': cursor }) },
        signal,
      })
      connected = true
      failures = 0
      for await (const { data, id } of readServerSentEvents(response.body as AsyncIterable<Uint8Array>)) {
        cursor = id ?? cursor
        if (data !== undefined) yield data
      }
    } catch (error) {
      if (signal.aborted) throw error
      if (error instanceof Refused && !error.retryable) throw error
      if (error instanceof CliError && !connected) throw error
    }
    if (failures++ === 0) onBreak()
    await pause(failures, signal)
  }
}

async function endOf(client: Client, path: string, signal: AbortSignal): Promise<string> {
  const answer = await client.read(path, { query: { from: 'latest', limit: '1' }, signal })
  const { next } = JSON.parse(answer) as { next?: string }
  if (next === undefined) throw new CliError(exitCode.failed, 'The gateway gave no cursor to begin from.')
  return next
}
