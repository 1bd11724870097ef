import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { Client } from './client.ts'
import { CliError, exitCode } from './exit.ts'
import { colours, note, printPaced } from './io.ts'

interface Summary {
  readonly stored: number
  readonly failed: number
  readonly unknown: number
}

interface Line {
  readonly id?: string | null
  readonly status?: string
  readonly error?: { readonly code: string; readonly detail: string }
  readonly summary?: Summary
}

/**
 * Sends a stream of events and prints a receipt for each as it comes. Throws where any was not stored, and where the
 * answer ends without its summary, for then what has no receipt is unknown.
 */
export async function publishLines(
  client: Client,
  path: string,
  body: ReadableStream,
  query: Readonly<Record<string, string | undefined>>,
  json: boolean,
): Promise<void> {
  const headers = { 'content-type': 'application/x-ndjson', accept: 'application/x-ndjson' }
  const response = await client.request(path, { method: 'POST', query, headers, body })
  let summary: Summary | undefined
  let receipts = 0
  try {
    for await (const text of linesOf(response)) {
      const line = JSON.parse(text) as Line
      summary = line.summary
      if (json) await printPaced(text)
      else if (line.summary === undefined) await printPaced(pretty(line))
      if (line.summary === undefined) receipts++
    }
  } catch {
    // The connection broke: the missing summary says so.
  }
  if (summary === undefined) {
    throw new CliError(
      exitCode.failed,
      `The answer ended early: ${receipts} lines have a receipt, the rest is unknown.`,
    )
  }
  const { stored, failed, unknown } = summary
  if (!json) note(`${stored} stored, ${failed} failed, ${unknown} unknown`)
  if (failed + unknown > 0) throw new CliError(exitCode.refused, `${failed + unknown} events were not stored.`)
}

function linesOf(response: Response): AsyncIterable<string> {
  return createInterface({ input: Readable.from(response.body ?? []), crlfDelay: Number.POSITIVE_INFINITY })
}

function pretty({ id, status, error }: Line): string {
  if (error === undefined) return `${colours.green(String(status))} ${id}`
  return `${colours.red(String(status))} ${id ?? '-'} ${error.detail} (${error.code})`
}
