import { z } from 'zod'
import { parseDuration, parseSize } from '../../src/core/index.ts'

const filled = z.string().min(1, 'must not be empty')

const duration = (min: number, max: number) =>
  z
    .string()
    .transform((text) => parseDuration(text) ?? Number.NaN)
    .refine((ms) => ms >= min && ms <= max, `must be a duration such as 5s, between ${min}ms and ${max}ms`)

const size = (min: number, max: number) =>
  z
    .union([z.number(), z.string()])
    .transform((value) => parseSize(String(value)) ?? Number.NaN)
    .refine((bytes) => bytes >= min && bytes <= max, `must be a size such as 256KiB, between ${min} and ${max} bytes`)

/** What SQS takes as one message and as one request; a topic of SNS takes less, unless it was told otherwise. */
const sqsBytes = 1 << 20
const snsBytes = 256 << 10

export const config = z
  .strictObject({
    type: z.literal('sqs'),
    region: z.string().regex(/^[a-z]{2,}(-[a-z0-9]+)+$/, 'must be a region such as eu-west-1'),
    /** A topic fans out through SNS to one queue for each group; without it a topic is one queue, of one group. */
    sns: z.boolean().default(false),
    /** Queues, and topics of SNS, are FIFO ones. */
    fifo: z.boolean().default(false),
    /** Of something that speaks AWS's protocols; AWS's own where absent. */
    endpoint: z
      .url({ protocol: /^https?$/ })
      .refine((url) => !URL.parse(url)?.username && !URL.parse(url)?.password, 'must not hold credentials')
      .optional(),
    /** Those of the environment (variables, profile, role) where absent. */
    credentials: z
      .strictObject({ accessKeyId: filled, secretAccessKey: filled, sessionToken: filled.optional() })
      .optional(),
    /** What one message, and one request, may have: less where a queue's or a topic's MaximumMessageSize is less. */
    maxMessageSize: size(8 << 10, sqsBytes).optional(),
    /** How long one request may take. */
    requestTimeout: duration(1500, 60_000).default(10_000),
  })
  .transform((entry) => ({ ...entry, maxMessageSize: entry.maxMessageSize ?? (entry.sns ? snsBytes : sqsBytes) }))

export type Config = z.output<typeof config>
