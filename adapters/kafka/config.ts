import { z } from 'zod'
import { parseDuration } from '../../src/core/index.ts'

const duration = (min: number, max: number) =>
  z
    .string()
    .transform((text) => parseDuration(text) ?? Number.NaN)
    .refine((ms) => ms >= min && ms <= max, `must be a duration such as 4s, between ${min}ms and ${max}ms`)

const server = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^\s:]+)(:\d{1,5})?$/, 'must be host:port')
  .refine((text) => Number(/:(\d+)$/.exec(text)?.[1] ?? 1) <= 65_535, 'must have a port of at most 65535')
const secret = z.string().min(1, 'must not be empty')

const password = { username: z.string().min(1, 'must not be empty'), password: secret }

const sasl = z.discriminatedUnion(
  'mechanism',
  [
    z.strictObject({ mechanism: z.literal('plain'), ...password }),
    z.strictObject({ mechanism: z.literal('scram-sha-256'), ...password }),
    z.strictObject({ mechanism: z.literal('scram-sha-512'), ...password }),
    z
      .strictObject({
        mechanism: z.literal('oauthbearer'),
        /** A token that does not change while the gateway runs. */
        token: secret.optional(),
        /** Where tokens are had with the client's credentials (RFC 6749, section 4.4), before the old one ends. */
        tokenUrl: z
          .url({ protocol: /^https?$/ })
          .refine((url) => !URL.parse(url)?.username && !URL.parse(url)?.password, 'must not hold credentials')
          .optional(),
        clientId: z.string().min(1).optional(),
        clientSecret: secret.optional(),
        scope: z.string().min(1).optional(),
      })
      .refine(
        ({ token, tokenUrl, clientId, clientSecret }) =>
          token === undefined ? tokenUrl && clientId && clientSecret : tokenUrl === undefined,
        'needs either token, or tokenUrl with clientId and clientSecret',
      ),
  ],
  { error: 'must name its mechanism: plain, scram-sha-256, scram-sha-512 or oauthbearer' },
)

const tls = z.union([
  z.literal(true),
  z
    .strictObject({
      /** PEM, as the other two; a file by `{ file: … }`. */
      ca: secret.optional(),
      cert: secret.optional(),
      key: secret.optional(),
      serverName: z.string().min(1).optional(),
    })
    .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'cert and key belong together'),
])

const partitions = z.array(z.number().int().min(0).max(99_999)).min(1, 'must name at least one partition')

const partitioner = z.strictObject({
  /** The first rule whose prefix a key has decides. */
  rules: z.array(z.strictObject({ prefix: z.string().min(1), partitions })).min(1),
  otherwise: z.literal('hash').default('hash'),
})

export const config = z.strictObject({
  type: z.literal('kafka'),
  bootstrap: z.array(server).min(1, 'must name at least one broker as host:port'),
  clientId: z
    .string()
    .regex(/^[\w.-]+$/, 'must be letters, digits, dots, hyphens and underscores')
    .default('sluice'),
  acks: z
    .enum(['all', 'leader'], {
      error: 'must be all or leader: without an acknowledgement (none) no event could be confirmed',
    })
    .default('all'),
  compression: z.enum(['none', 'gzip', 'snappy', 'lz4', 'zstd']).default('none'),
  partitioner: partitioner.optional(),
  tls: tls.optional(),
  sasl: sasl.optional(),
  /** How long one request may take before it is tried again. */
  requestTimeout: duration(500, 120_000).default(4000),
  /** How long a consumer of a group may be silent before its partitions go to others. */
  sessionTimeout: duration(1000, 1_800_000).default(10_000),
  /** A name of this replica that outlives it: within the session timeout it gets its old partitions back (KIP-345). */
  instanceId: z
    .string()
    .regex(/^[\w.-]+$/, 'must be letters, digits, dots, hyphens and underscores')
    .optional(),
})

export type Config = z.infer<typeof config>
export type SaslConfig = NonNullable<Config['sasl']>
export type PartitionerConfig = Config['partitioner']
