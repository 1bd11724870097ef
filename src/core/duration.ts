const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `250ms`, `30s`, `5m`, `12h`, `7d`. */
export const durationPattern = /^(\d{1,12})(ms|s|m|h|d)$/

/** Milliseconds, or undefined where the text is no duration. */
export function parseDuration(text: string): number | undefined {
  const match = durationPattern.exec(text)
  return match === null ? undefined : Number(match[1]) * units[match[2]!]!
}

/** The shortest exact way to write so many milliseconds. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) if (ms > 0 && ms % units[unit]! === 0) return `${ms / units[unit]!}${unit}`
  return ms === 0 ? '0s' : `${ms}ms`
}
