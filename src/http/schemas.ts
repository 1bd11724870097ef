import { z } from 'zod'
import { durationPattern, formatDuration, parseDuration } from '../core/duration.ts'
import { errorCodes } from '../core/errors.ts'
import { isTime } from '../core/event.ts'
import { formatSize, parseSize } from '../core/size.ts'

/** The shapes of the API. They validate requests, and OpenAPI is made from them. */

/** `250ms`, `30s`, `5m`, `12h`, `7d`, as milliseconds. */
export function duration(maxMs: number, minMs = 0): z.ZodType<number, string> {
  return z
    .string()
    .regex(durationPattern, 'must be a duration like 250ms, 30s, 5m, 12h or 7d')
    .transform((text) => parseDuration(text) ?? 0)
    .refine((ms) => ms >= minMs && ms <= maxMs, `must be between ${formatDuration(minMs)} and ${formatDuration(maxMs)}`)
}

/** `256MiB`, or a number of bytes, as bytes. */
export function size(maxBytes: number, minBytes: number): z.ZodType<number, string | number> {
  return z
    .union([z.string(), z.number()], { error: 'must be a size like 256MiB or a number of bytes' })
    .refine((given) => parseSize(String(given)) !== undefined, {
      error: 'must be a size like 256MiB or a number of bytes',
      abort: true,
    })
    .transform((given) => parseSize(String(given)) ?? 0)
    .refine((bytes) => bytes >= minBytes && bytes <= maxBytes, {
      error: `must be between ${formatSize(minBytes)} and ${formatSize(maxBytes)}`,
    })
}

/** A time as RFC 3339 writes it. */
export const time = z
  .string()
  .refine((text) => isTime(text) && !Number.isNaN(Date.parse(text)), 'must be a time like 2026-01-31T12:00:00Z')

export const rate = z.number().positive('must be more than 0').max(1_000_000)

/** A whole number in a query. */
export function count(max: number): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .refine((n) => n >= 1 && n <= max, `must be between 1 and ${max}`)
}

/** A yes or no in a query. */
export const flag = z.enum(['true', 'false']).transform((text) => text === 'true')

export const ifMatch = z.object({ 'If-Match': z.string() })

export const itemError = z.strictObject({ code: z.enum(errorCodes), detail: z.string() }).meta({ id: 'ItemError' })

export const problemSchema = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(errorCodes),
    instance: z.string(),
    errors: z.array(z.strictObject({ pointer: z.string(), detail: z.string() })).optional(),
    capability: z.string().optional(),
    results: z
      .array(
        z.strictObject({
          id: z.string().nullable(),
          status: z.enum(['stored', 'failed', 'unknown']),
          position: z.string().optional(),
          duplicate: z.literal(true).optional(),
          error: itemError.optional(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' })

/** A CloudEvent in the JSON format. Described here; the byte scanner of the core checks it. */
export const cloudEvent = z
  .looseObject({
    specversion: z.literal('1.0'),
    id: z.string().min(1),
    source: z.string().min(1),
    type: z.string().min(1),
    time: z.string().optional(),
    subject: z.string().optional(),
    datacontenttype: z.string().optional(),
    dataschema: z.string().optional(),
    partitionkey: z.string().optional(),
    data: z.unknown().optional(),
    data_base64: z.string().optional(),
  })
  .meta({ id: 'CloudEvent', description: 'CloudEvents 1.0; extension attributes stand beside the others.' })

/** One to be published: what is missing of id, source and time is filled in. */
export const newCloudEvent = cloudEvent.partial({ id: true, source: true }).meta({ id: 'NewCloudEvent' })

export const stored = z
  .strictObject({
    id: z.string(),
    status: z.literal('stored'),
    topic: z.string(),
    position: z.string().optional(),
    duplicate: z.literal(true).optional(),
  })
  .meta({ id: 'Stored' })

export const storedItem = stored.omit({ topic: true }).meta({ id: 'StoredItem' })

export const receiptLine = z
  .union([
    storedItem,
    z.strictObject({ id: z.string().nullable(), status: z.enum(['failed', 'unknown']), error: itemError }),
    z.strictObject({
      summary: z.strictObject({ stored: z.int(), failed: z.int(), unknown: z.int() }),
    }),
  ])
  .meta({ id: 'ReceiptLine' })

export const logEntry = z.strictObject({ position: z.string(), event: cloudEvent }).meta({ id: 'LogEntry' })

const capability = z.strictObject({ value: z.unknown(), by: z.enum(['broker', 'gateway']) })
export const capabilities = z.record(z.string(), capability).meta({ id: 'Capabilities' })
