import type { DeliveryStatus } from '../core/delivery.ts'
import { colours } from './io.ts'
import { indented, memberOf } from './raw-json.ts'

interface Summary {
  readonly id: string
  readonly subscription: string
  readonly topic: string
  readonly event: { readonly id: string; readonly source: string; readonly type: string }
  readonly status: DeliveryStatus
  readonly reason?: string
  readonly attempts: number
  readonly dueAt?: string
  readonly operation?: string
  readonly createdAt: string
  readonly updatedAt: string
}

interface Attempt {
  readonly number: number
  readonly at: string
  readonly durationMs: number
  readonly status?: number
  readonly body?: string
  readonly error?: string
  readonly stage?: string
}

/** A delivery of a list, for people. */
export function deliveryLine(text: string): string {
  const { id, subscription, topic, event, createdAt, ...rest } = JSON.parse(text) as Summary
  const what = `${colours.cyan(event.type)} ${event.id} of ${topic} to ${subscription}`
  return `${colours.dim(createdAt)} ${id} ${fate(rest)} ${what}`
}

/** What a list lacks; not said to whoever asked for one status. */
export function coverageNote(coverage: unknown, status: string | undefined): string | undefined {
  if (coverage !== 'problems' || status !== undefined) return undefined
  return 'Those that succeeded at the first attempt are not recorded.'
}

/** One delivery with its attempts and its event. */
export function deliveryText(text: string): string {
  const delivery = JSON.parse(text) as Summary & { readonly history: readonly Attempt[] }
  const { id, subscription, topic, event, operation, createdAt, updatedAt, history } = delivery
  const rows = [
    ['delivery', colours.bold(id)],
    ['is', fate(delivery)],
    ['event', `${colours.cyan(event.type)} ${event.id} from ${event.source}`],
    ['topic', topic],
    ['subscription', subscription],
    ...(operation === undefined ? [] : [['operation', operation]]),
    ['began', createdAt],
    ['changed', updatedAt],
  ]
  return [
    ...rows.map(([name, value]) => `${name!.padEnd(13)}${value}`),
    '',
    ...attemptLines(history),
    '',
    indented(memberOf(text, 'event')!),
  ].join('\n')
}

function fate({ status, attempts, reason, dueAt }: Pick<Summary, 'status' | 'attempts' | 'reason' | 'dueAt'>): string {
  const colour = { in_flight: colours.cyan, succeeded: colours.green, parked: colours.yellow }[status as string]
  const tried = `after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`
  const why = reason === undefined ? '' : `: ${reason}`
  const next = dueAt === undefined ? '' : `, next ${dueAt}`
  return `${(colour ?? colours.red)(status)} ${tried}${why}${next}`
}

function attemptLines(history: readonly Attempt[]): string[] {
  const rows = history.map(({ number, at, durationMs, status, stage, error, body }) => [
    String(number),
    at,
    `${Math.round(durationMs)}ms`,
    status === undefined ? '-' : String(status),
    stage ?? '-',
    [error, body === undefined || body === '' ? undefined : JSON.stringify(body)]
      .filter((one) => one !== undefined)
      .join(' '),
  ])
  const table = [['#', 'time', 'took', 'status', 'stage', 'what was said'], ...rows]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  return table.map((row, i) => {
    const line = row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd()
    if (i === 0) return colours.dim(line)
    return history[i - 1]!.error === undefined ? colours.green(line) : colours.red(line)
  })
}
