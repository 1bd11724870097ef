const maxMs = 86_400_000
const imfFixdate =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2} GMT$/

/**
 * What the header Retry-After asks to wait, a day at most: whole seconds or a time as HTTP writes it today (RFC 9110,
 * section 10.2.3). Undefined for everything else, and for a time that has passed.
 */
export function retryAfterMs(header: string | string[] | undefined, now: number): number | undefined {
  if (typeof header !== 'string') return undefined
  const text = header.trim()
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, maxMs)
  if (!imfFixdate.test(text)) return undefined
  const wait = Date.parse(text) - now
  return wait > 0 ? Math.min(wait, maxMs) : undefined
}
