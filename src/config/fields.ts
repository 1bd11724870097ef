import { z } from 'zod'
import { formatDuration, parseDuration } from '../core/duration.ts'
import { parseSize } from '../core/size.ts'
import { isTopicName, topicNameMax } from '../core/topic-name.ts'

interface Range {
  readonly min: number
  readonly max: number
}

const week = 7 * 86_400_000

/** A duration with its unit, in milliseconds. A bare number is refused: nobody could tell of what. */
export function duration({ min, max }: Range = { min: 1, max: 3650 * week }) {
  return z.union([z.string(), z.number()]).transform((value, context) => {
    const ms = typeof value === 'string' ? parseDuration(value) : undefined
    if (ms === undefined) {
      context.issues.push({
        code: 'custom',
        input: value,
        message: 'must be a duration such as 250ms, 30s, 5m, 12h or 7d',
      })
      return z.NEVER
    }
    if (ms < min || ms > max) {
      const message = `must be between ${formatDuration(min)} and ${formatDuration(max)}`
      context.issues.push({ code: 'custom', input: value, message })
      return z.NEVER
    }
    return ms
  })
}

/** A size such as `16MiB`, or a number of bytes. */
export function size({ min, max }: Range = { min: 1, max: Number.MAX_SAFE_INTEGER }) {
  return z.union([z.string(), z.number()]).transform((value, context) => {
    const bytes = parseSize(String(value))
    if (bytes === undefined) {
      context.issues.push({
        code: 'custom',
        input: value,
        message: 'must be a size such as 512KiB, 16MiB, 1GB or a number of bytes',
      })
      return z.NEVER
    }
    if (bytes < min || bytes > max) {
      context.issues.push({ code: 'custom', input: value, message: `must be between ${min} and ${max} bytes` })
      return z.NEVER
    }
    return bytes
  })
}

export function count(min: number, max: number) {
  return z.number().int('must be a whole number').min(min, `must be at least ${min}`).max(max, `must be at most ${max}`)
}

/** `7d`, `512MiB` or `{ age, bytes }`: how long, or how much, a topic keeps. */
export const retention = z.union(
  [
    z.strictObject({ age: duration().optional(), bytes: size().optional() }).transform(({ age, bytes }) => ({
      ...(age !== undefined && { ms: age }),
      ...(bytes !== undefined && { bytes }),
    })),
    z.string().transform((text, context): { ms?: number; bytes?: number } => {
      const ms = parseDuration(text)
      if (ms !== undefined && ms > 0) return { ms }
      const bytes = parseSize(text)
      if (bytes !== undefined && bytes > 0) return { bytes }
      context.issues.push({
        code: 'custom',
        input: text,
        message: 'must be an age such as 7d, a size such as 512MiB, or { age, bytes }',
      })
      return z.NEVER
    }),
  ],
  { error: 'must be an age such as 7d, a size such as 512MiB, or { age, bytes }' },
)

export const topicName = z.string().refine(isTopicName, {
  error: `must be lower-case letters and digits, joined by single dots, hyphens or underscores, at most ${topicNameMax} characters`,
})

/** The name of an entry under `brokers`. */
export const entryName = z.string().regex(/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/, {
  error: 'must be a name of lower-case letters and digits, joined by single dots, hyphens or underscores',
})

/** `*`, or an origin as browsers send it. */
export const origin = z
  .string()
  .refine((text) => text === '*' || (URL.canParse(text) && new URL(text).origin === text), {
    error: 'must be * or an origin such as https://app.example.com, without a path',
  })

export const cidr = z.union([z.cidrv4(), z.cidrv6()], { error: 'must be an address range such as 10.0.0.0/8' })

export const postgresUrl = z.string().refine(isPostgresUrl, {
  error: 'must be a URL such as postgres://user:password@host:5432/database',
})

/** With a host and a database: what is left out would come from the environment of whoever starts the gateway. */
function isPostgresUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, pathname } = new URL(text)
  return /^postgres(ql)?:$/.test(protocol) && hostname !== '' && pathname.length > 1
}
