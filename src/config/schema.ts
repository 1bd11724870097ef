import { z } from 'zod'
import type { Capabilities, CapabilityName } from '../core/broker.ts'
import { defaultLimits, type Limits, leaseRange, pageMax } from '../core/limits.ts'
import { bridgesSchema } from './bridges.ts'
import { cidr, count, duration, entryName, origin, postgresUrl, retention, size, topicName } from './fields.ts'
import { hook } from './hooks.ts'
import { isScope, scopeForm } from './scope.ts'
import { declaredSubscriptions } from './subscriptions.ts'

const day = 86_400_000

const key = z.strictObject({
  name: z.string().min(1, 'must not be empty').max(128),
  hash: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256:<64 hexadecimal digits>, as sluice keys create prints it'),
  scopes: z.array(z.string().refine(isScope, { error: `must be ${scopeForm}` })).min(1, 'must name at least one scope'),
  ratePerSecond: z.number().positive('must be more than 0').optional(),
})

/** The keys alone, because they are read again while the gateway runs. */
export const keysSchema = z.array(key)

const ensure = z.strictObject({
  partitions: count(1, 100_000).optional(),
  replicas: count(1, 100).optional(),
  minInsyncReplicas: count(1, 100).optional(),
  compaction: z.boolean().optional(),
  retention: retention.optional(),
  dedupWindow: duration({ min: 0, max: 365 * day }).optional(),
})

const numeric = z.union([z.boolean(), z.number(), duration({ min: 0, max: 365 * day })])

/** Every capability that has an order of strength. A name that is not here is refused. */
const requires = z.strictObject({
  settlement: z.enum(['individual', 'cumulative']).optional(),
  receipt: z.enum(['portable', 'session']).optional(),
  fencing: z.enum(['broker', 'deadline', 'none']).optional(),
  nackDelayMs: numeric.optional(),
  reject: z.boolean().optional(),
  extend: z.boolean().optional(),
  attempts: z.boolean().optional(),
  ordering: z.enum(['none', 'key', 'topic']).optional(),
  exclusiveKeys: z.boolean().optional(),
  dedupWindowMs: numeric.optional(),
  publishDelayMs: numeric.optional(),
  atomicPublishMax: z.union([z.boolean(), count(0, 1_000_000)]).optional(),
  groups: z.enum(['many', 'one']).optional(),
  seek: z.boolean().optional(),
  replay: z.boolean().optional(),
  lag: z.enum(['exact', 'approximate', 'none']).optional(),
  durability: z.enum(['memory', 'process', 'machine', 'replicated']).optional(),
  maxEventBytes: size().optional(),
} satisfies Record<Exclude<CapabilityName, ObjectCapability>, z.ZodType>)

type ObjectCapability = { [Name in CapabilityName]: Capabilities[Name] extends object ? Name : never }[CapabilityName]

const topic = z
  .strictObject({
    broker: z.string(),
    name: z.string().min(1).max(512).optional(),
    requires: requires.optional(),
    ensure: ensure.optional(),
    abandon: z.boolean().optional(),
    drainFrom: z.string().optional(),
    drainDeadline: duration({ min: 0, max: 365 * day }).optional(),
  })
  .superRefine(({ abandon, drainFrom, drainDeadline }, context) => {
    const refuse = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message })
    if (drainFrom !== undefined && abandon === true) refuse('abandon', 'contradicts drainFrom: leave one of them out')
    if (drainFrom === undefined && drainDeadline !== undefined) refuse('drainDeadline', 'is nothing without drainFrom')
  })

const limits = z.strictObject({
  event: size({ min: 1024, max: 64 << 20 }),
  batchEvents: count(1, 100_000),
  batchBytes: size({ min: 1024, max: 1 << 30 }),
  line: size({ min: 1024, max: 64 << 20 }),
  idle: duration({ min: 100, max: day }),
  depth: count(1, 1000),
  headerBytes: size({ min: 1024, max: 1 << 20 }),
  headerCount: count(10, 2000),
  delay: duration({ min: 1, max: 365 * day }),
  wait: duration({ min: 0, max: 3_600_000 }),
  lease: duration(leaseRange),
  pull: count(1, pageMax),
  list: count(1, pageMax),
  settle: count(1, 100_000),
  publishDeadline: duration({ min: 100, max: 3_600_000 }),
  shutdown: duration({ min: 1000, max: day }),
  queueBytes: size({ min: 1 << 20, max: 16 * 2 ** 30 }),
  inFlightBytes: size({ min: 1 << 20, max: 64 * 2 ** 30 }),
} satisfies Record<keyof Limits, z.ZodType<number>>)

/** What a configuration file may hold. Every unknown field is refused. */
export const configSchema = z.strictObject({
  listen: z
    .strictObject({ host: z.string().min(1).default('127.0.0.1'), port: count(0, 65_535).default(8080) })
    .prefault({}),
  brokers: z.record(entryName, z.looseObject({ type: z.string() })).default({}),
  topics: z.record(topicName, topic).default({}),
  store: z
    .discriminatedUnion(
      'type',
      [
        z.strictObject({ type: z.literal('sqlite'), path: z.string().min(1, 'must not be empty') }),
        z.strictObject({ type: z.literal('postgres'), url: postgresUrl }),
      ],
      { error: 'must be sqlite or postgres' },
    )
    .default({ type: 'sqlite', path: '.sluice/store.db' }),
  keys: keysSchema.default([]),
  subscriptions: declaredSubscriptions.default([]),
  hooks: z.record(entryName, hook).default({}),
  bridges: bridgesSchema.default([]),
  encryptionKey: z.string().min(1, 'must not be empty').optional(),
  limits: limits.partial().prefault({}),
  cors: z.strictObject({ origins: z.array(origin) }).default({ origins: [] }),
  metrics: z.strictObject({ public: z.boolean().default(false) }).prefault({}),
  outbound: z.strictObject({ allowPrivate: z.array(cidr).default([]) }).prefault({}),
})

export type Config = z.output<typeof configSchema>
export type ConfiguredKey = Config['keys'][number]
export type ConfiguredTopic = Config['topics'][string]

/** The limits that hold: those of the file, and the defaults. */
export function limitsOf(config: Config): Limits {
  const given = Object.entries(config.limits).filter(([, value]) => value !== undefined)
  return { ...defaultLimits, ...Object.fromEntries(given) }
}

/**
 * Topics whose broker is not there: a fault between fields, told also while other fields are wrong. `value` is whatever
 * the file holds.
 */
export function strayTopics(value: unknown): { path: string[]; detail: string }[] {
  const { topics, brokers } = asRecord(value)
  const known = Object.keys(asRecord(brokers))
  return Object.entries(asRecord(topics)).flatMap(([name, entry]) => {
    const { broker } = asRecord(entry)
    if (typeof broker !== 'string' || known.includes(broker)) return []
    const detail = `there is no broker ${broker} under brokers: ${known.join(', ') || 'there is none at all'}`
    return [{ path: ['topics', name, 'broker'], detail }]
  })
}

function asRecord(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {}
}
