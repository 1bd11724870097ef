import { durationPattern, parseDuration } from '../core/duration.ts'
import { isTime } from '../core/event.ts'
import { wrongUse } from './exit.ts'

/** What options mean; each throws `wrongUse` and names the option. */

export function durationOf(flag: string, text: string): string {
  if (!durationPattern.test(text))
    throw wrongUse(`${flag} must be a duration like 250ms, 30s, 5m, 12h or 7d, and not ${text}.`)
  return text
}

export function countOf(flag: string, text: string): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < 1)
    throw wrongUse(`${flag} must be a whole number above 0, and not ${text}.`)
  return Number(text)
}

export function rateOf(text: string | undefined): number | undefined {
  const rate = text === undefined || text === '' ? Number.NaN : Number(text)
  if (text !== undefined && !(rate > 0 && rate < Number.POSITIVE_INFINITY))
    throw wrongUse(`--rate must be a number above 0, and not ${text}.`)
  return text === undefined ? undefined : rate
}

/** Several durations with commas between them; `none` is the empty list. */
export function durationsOf(flag: string, text: string): string[] {
  if (text === 'none') return []
  const durations = text.split(',').map((one) => one.trim())
  if (!durations.every((one) => durationPattern.test(one)))
    throw wrongUse(`${flag} must be durations with commas between them, like 5s,5m,1h, or none, and not ${text}.`)
  return durations
}

/** A place in time, as the gateway takes it: `1h` is one hour ago. Whether a cursor is good, only the gateway knows. */
export function placeOf(flag: string, text: string, also: readonly ('earliest' | 'latest' | 'a cursor')[]): string {
  const ago = parseDuration(text)
  const at = ago === undefined ? Date.parse(isTime(text) ? text : '') : Date.now() - ago
  if (!Number.isNaN(new Date(at).getTime())) return ago === undefined ? text : new Date(at).toISOString()
  const cursor = /^c\d+\../.test(text)
  if (also.some((one) => one === text || (one === 'a cursor' && cursor))) return text
  const forms = [...also, 'a time like 2026-01-31T12:00:00Z'].join(', ')
  throw wrongUse(`${flag} must be ${forms}, or 1h for an hour ago, and not ${text}.`)
}

/** `name=value` pairs, or another sign between the two. */
export function pairsOf(flag: string, sign: string, texts: readonly string[]): Record<string, string> {
  const pairs: Record<string, string> = Object.create(null)
  for (const text of texts) {
    const at = text.indexOf(sign)
    const name = text.slice(0, Math.max(at, 0)).trim()
    if (name === '') throw wrongUse(`${flag} must be like 'name${sign}value', and not ${at < 0 ? text : `${sign}…`}.`)
    if (name in pairs) throw wrongUse(`${flag} ${name} is given twice.`)
    pairs[name] = text.slice(at + 1).trim()
  }
  return pairs
}
