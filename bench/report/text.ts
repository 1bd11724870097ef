import type { LagRun } from '../kafka/lag.ts'
import type { Machine } from '../machine.ts'
import type { MatchRun } from '../match.ts'
import type { Count } from '../measure/count.ts'
import type { Row } from '../measure/row.ts'
import type { StartRow } from '../measure/start.ts'
import type { MemoryRun } from '../memory.ts'
import type { Check } from '../targets.ts'
import { count, figure, table } from './table.ts'

/** From here on the load process may be what limits. */
const busyShare = 0.85
/** In cores: from here on the figures are not those of a calm machine. */
const foreignShare = 0.2

export function machineText({ cpu, cores, memoryGB, system, node, load, syncMs }: Machine): string {
  const sync = `sync ${figure(syncMs.median)} ms (${figure(syncMs.min)}–${figure(syncMs.max)})`
  return `${cores} × ${cpu}, ${memoryGB} GB, ${system}, node ${node}, load before ${figure(load)}, ${sync}`
}

export function rowsText(rows: readonly Row[]): string {
  const bySection = Map.groupBy(rows, ({ section }) => section)
  return [...bySection].map(([section, own]) => `${section}\n${sectionText(own)}`).join('\n\n')
}

function sectionText(rows: readonly Row[]): string {
  const head = ['', 'server', 'events/s', 'ratio', '(of rounds)', 'p50 ms', 'p99', 'p99.9', 'p99 ratio']
  const withBroker = rows.some(({ brokerCpuSecondsPer100k }) => brokerCpuSecondsPer100k !== undefined)
  const more = ['CPU s/100k', ...(withBroker ? ['broker'] : []), 'RSS MB', 'peak']
  const body = rows.map((row, i) => [
    rows[i - 1]?.setting === row.setting ? '' : row.setting,
    row.server,
    count(row.perSecond),
    figure(row.ratio?.median),
    row.ratio === undefined ? '' : `${figure(row.ratio.min)}–${figure(row.ratio.max)}`,
    // Where no request was timed, as in a backlog, there are none.
    ...[row.p50, row.p99, row.p999].map((ms) => figure(ms === 0 ? undefined : ms)),
    figure(row.p99Ratio?.median),
    figure(row.cpuSecondsPer100k),
    ...(withBroker ? [figure(row.brokerCpuSecondsPer100k)] : []),
    figure(row.rssMB),
    figure(row.peakMB),
  ])
  return [table([...head, ...more], body, 2), ...notes(rows)].join('\n')
}

/** What has to be known before the figures are believed. */
export function notes(rows: readonly Row[]): string[] {
  return [...rows.flatMap(remarks), ...foreign(rows)]
}

function foreign(rows: readonly Row[]): string[] {
  const cores = rows.flatMap(({ foreignCores }) => foreignCores ?? [])
  const most = Math.max(0, ...cores)
  if (most < foreignShare) return []
  const mean = cores.reduce((sum, value) => sum + value, 0) / cores.length
  return [`  not a calm machine: other processes used ${figure(mean)} cores, up to ${figure(most)} in a setting`]
}

function remarks(row: Row): string[] {
  const who = `  ${row.server}, ${row.setting}`
  // A client alone is its own load.
  const busy = row.loadCpuShare > busyShare && row.server !== 'client' && row.server !== 'port'
  return [
    ...(row.failures > 0 ? [`${who}: ${row.failures} FAILED, the first: ${row.failure}`] : []),
    ...(row.overOne === undefined
      ? []
      : [
          `${who}: ${figure(row.overOne.median)} × one record a request (${figure(row.overOne.min)}–${figure(row.overOne.max)})`,
        ]),
    ...(busy ? [`${who}: the load process used ${figure(row.loadCpuShare)} of a core; it may be the limit`] : []),
    ...(row.lateP99 !== undefined && row.lateP99 > row.p99 / 2
      ? [`${who}: the load process itself was late by ${figure(row.lateP99)} ms (p99)`]
      : []),
  ]
}

export function startText(rows: readonly StartRow[]): string {
  const body = rows.map(({ server, firstAnswer, firstPublish, rssMB }) => [
    server,
    figure(firstAnswer.median),
    `${figure(firstAnswer.min)}–${figure(firstAnswer.max)}`,
    figure(firstPublish.median),
    figure(rssMB),
  ])
  const head = ['server', 'first answer ms', '(of rounds)', 'first publish ms', 'RSS MB']
  return `start of node, until\n${table(head, body, 1)}`
}

export function countsText(counts: readonly Count[]): string {
  const body = counts.map(({ section, server, sent, acknowledged, stored, ok }) => [
    section,
    server,
    count(sent),
    count(acknowledged),
    count(stored),
    ok ? 'none lost' : 'LOST',
  ])
  return `events of the logs\n${table(['', 'server', 'sent', 'acknowledged', 'stored', ''], body, 2)}`
}

export function checksText(checks: readonly Check[], speed?: number): string {
  const body = checks.map(({ what, value, unit, goal, floor, better, verdict }) => {
    const sign = better === 'more' ? '≥' : '≤'
    const bounds = `${sign} ${figure(goal)}${floor === undefined ? '' : `, floor ${figure(floor)}`}`
    return [what, `${figure(value)} ${unit}`, bounds, verdict]
  })
  const text = `targets\n${table(['', 'reached', 'goal', ''], body, 1)}`
  if (speed === undefined) return text
  return `${text}\n  this machine, now: ${figure(speed)} of the speed of the ceiling where the goals in /s and ms were set`
}

export function memoryText(runs: readonly MemoryRun[]): string {
  return runs
    .map((run) => {
      const head = `${run.server}, retention ${run.retention}: ${count(run.events)} events, ${count(run.perSecond)}/s`
      const failed = run.failures > 0 ? `, ${run.failures} FAILED` : ''
      const series = run.series.map((rss) => Math.round(rss)).join(' ')
      return `${head}${failed}\nresident MB, the most of each ${run.secondsPerPoint} s: ${series}`
    })
    .join('\n\n')
}

/** A bar is as long as the time: one character for each microsecond, or part of one. */
export function matchText(runs: readonly MatchRun[]): string {
  const body = runs.map(({ filters, subscriptions, micros, ratio, buildMs }, i) => [
    runs[i - 1]?.filters === filters ? '' : filters,
    count(subscriptions),
    figure(micros.median),
    `${figure(micros.min)}–${figure(micros.max)}`,
    figure(ratio.median),
    figure(buildMs),
  ])
  const head = ['filters', 'subscriptions', 'µs an event', '(of rounds)', '× of the fewest', 'index ms']
  const [first, ...lines] = table(head, body, 1).split('\n')
  const widest = Math.max(...lines.map(({ length }) => length))
  const bars = lines.map((line, i) => `${line.padEnd(widest)}  ${'█'.repeat(Math.ceil(runs[i]!.micros.median))}`)
  return [first, ...bars].join('\n')
}

export function lagText(run: LagRun): string {
  const { events, eventBytes, slowReaders, slowBytesPerSecond, seconds, fastPerSecond, failures, failure } = run
  const log = `${count(events)} events of ${eventBytes} bytes, ${seconds} s`
  const readers = `${slowReaders} readers of ${slowBytesPerSecond} bytes/s and a fast one, ${count(fastPerSecond)} events/s`
  const failed = failures > 0 ? `\n${failures} FAILED, the first: ${failure}` : ''
  const series = run.series.map((rss) => Math.round(rss)).join(' ')
  return `memory: ${log}, ${readers}${failed}\nresident MB, ${Math.round(run.idleMB)} before; the most of each s: ${series}`
}
