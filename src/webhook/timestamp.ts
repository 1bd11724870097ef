const toleranceSeconds = 300

/**
 * Whether a signed time in Unix seconds is at most five minutes away from now, on either side. Digits and nothing else:
 * a number that is only parsed up to its first letter would let two texts pass for one.
 */
export function isTimely(text: string, now: number): boolean {
  if (!/^\d{1,12}$/.test(text)) return false
  return Math.abs(Math.floor(now / 1000) - Number(text)) <= toleranceSeconds
}
