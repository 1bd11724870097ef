import { z } from 'zod'
import { parseDuration, parseSize } from '../../src/core/index.ts'

const notEmpty = z.string().min(1, 'must not be empty')

const duration = (min: number, max: number) =>
  z
    .string()
    .transform((text) => parseDuration(text) ?? Number.NaN)
    .refine((ms) => ms >= min && ms <= max, `must be a duration such as 10s, between ${min}ms and ${max}ms`)

const size = (min: number, max: number) =>
  z
    .union([z.string(), z.number()])
    .transform((value) => (typeof value === 'number' ? value : (parseSize(value) ?? Number.NaN)))
    .refine((bytes) => bytes >= min && bytes <= max, `must be a size such as 16MiB, between ${min} and ${max} bytes`)

const urlRule =
  'must be amqp://host:port/vhost, or amqps:// for TLS, without a query, % written as %25; or a list of them'

const url = z.string().refine((text) => {
  const parsed = URL.parse(text)
  if (parsed === null || !/^amqps?:$/.test(parsed.protocol)) return false
  const { username, password, pathname } = parsed
  return parsed.search === '' && parsed.hostname !== '' && [username, password, pathname].every(isDecodable)
}, urlRule)

const tls = z
  .strictObject({
    /** PEM, as the other two; a file by `{ file: … }`. */
    ca: notEmpty.optional(),
    cert: notEmpty.optional(),
    key: notEmpty.optional(),
    serverName: notEmpty.optional(),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'cert and key belong together')

/** RabbitMQ's own limit of a message; it can be lowered there, up to 512 MiB before version 4. */
const mostEventBytes = 512 << 20

export const config = z
  .strictObject({
    type: z.literal('rabbitmq'),
    /** One node, or several of a cluster: they are tried in turn. */
    url: z.union([url.transform((one) => [one]), z.array(url).min(1, urlRule)], urlRule),
    username: notEmpty.optional(),
    password: notEmpty.optional(),
    tls: tls.optional(),
    heartbeat: duration(1000, 60_000).default(10_000),
    queue: z.enum(['quorum', 'classic']).default('quorum'),
    /** `key`: of a group's consumers one at a time is given events, in order (single active consumer). */
    ordering: z.enum(['none', 'key']).default('none'),
    exchange: z.enum(['topic', 'direct', 'fanout', 'headers']).default('topic'),
    /** The attribute that a message's routing key is taken from. */
    routingKey: z.enum(['type', 'subject', 'partitionkey']).default('type'),
    /** The keys by which a new group's queue is bound. */
    bindings: z.array(z.string().max(255)).min(1, 'must have at least one key').optional(),
    /** How many levels the attribute `priority` has. */
    priorities: z.number().int().min(2).max(255).optional(),
    /** How many unsettled events a consumer holds at the most, whatever is asked for: they are in memory. */
    prefetch: z.number().int().min(1).max(65_535).default(1000),
    /** The server's `max_message_size`, which it does not tell. */
    maxEventBytes: size(1024, mostEventBytes).default(16 << 20),
  })
  .refine(({ username, password }) => (username === undefined) === (password === undefined), {
    error: 'username and password belong together',
    path: ['username'],
  })
  .refine(({ exchange, bindings }) => exchange !== 'direct' || bindings !== undefined, {
    error: 'must name the routing keys of a direct exchange: it has no pattern that takes all of them',
    path: ['bindings'],
  })
  .refine(({ exchange, bindings }) => bindings === undefined || exchange === 'topic' || exchange === 'direct', {
    error: 'has no meaning for this exchange: its queues get everything',
    path: ['bindings'],
  })
  .refine(({ ordering, priorities }) => ordering === 'none' || priorities === undefined, {
    error: 'and ordering exclude each other: what is more urgent overtakes',
    path: ['priorities'],
  })
  .refine(({ queue, priorities }) => queue === 'classic' || priorities === undefined || priorities === 2, {
    error: 'must be 2 for quorum queues: they have no more',
    path: ['priorities'],
  })

export type Config = z.infer<typeof config>

function isDecodable(part: string): boolean {
  try {
    decodeURIComponent(part)
    return true
  } catch {
    return false
  }
}
