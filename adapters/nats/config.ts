import { z } from 'zod'
import { parseDuration } from '../../src/core/index.ts'
import { checkTemplate } from './names.ts'

const duration = (min: number, max: number) =>
  z
    .string()
    .transform((text) => parseDuration(text) ?? Number.NaN)
    .refine((ms) => ms >= min && ms <= max, `must be a duration such as 4s, between ${min}ms and ${max}ms`)

const server = z.string().regex(/^(nats|tls|ws|wss):\/\/([^\s:/@]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?\/?$/, {
  error:
    'must be a URL such as nats://127.0.0.1:4222 (nats, tls, ws or wss), without credentials: they are keys of their own',
})
const secret = z.string().min(1, 'must not be empty')

const tls = z.union([
  z.literal(true),
  z
    .strictObject({
      /** PEM, as the other two; a file by `{ file: … }`. */
      ca: secret.optional(),
      cert: secret.optional(),
      key: secret.optional(),
      /** Where the server begins with TLS, instead of offering it. */
      first: z.boolean().optional(),
    })
    .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'cert and key belong together'),
])

const subject = z.string().superRefine((template, context) => {
  try {
    checkTemplate(template)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
  }
})

const schemes = (servers: readonly string[]) => new Set(servers.map((url) => url.startsWith('ws')))

export const config = z
  .strictObject({
    type: z.literal('nats'),
    servers: z.array(server).min(1, 'must name at least one server as nats://host:port'),
    /** What the server shows of this connection. */
    name: z.string().min(1).max(100).default('sluice'),
    user: z.string().min(1).optional(),
    password: secret.optional(),
    token: secret.optional(),
    /** The seed of an NKey (`SU…`). */
    nkey: z
      .string()
      .regex(/^SU[A-Z2-7]{56}$/, 'must be the seed of a user, which begins with SU')
      .optional(),
    /** The text of a `.creds` file: a JWT and its seed. */
    credentials: z.string().includes('BEGIN NATS USER JWT', { error: 'must be the text of a .creds file' }).optional(),
    tls: tls.optional(),
    /** How the subject of an event is made: words, `{topic}`, `{type}`, `{subject}` and `{key}`. */
    subject: subject.default('{topic}'),
    /** `key`: an event waits for the earlier ones of its key; then one replica at a time consumes a group. */
    ordering: z.enum(['none', 'key']).default('none'),
    /** How long one request may take. */
    requestTimeout: duration(500, 120_000).default(5000),
  })
  .refine(
    ({ user, token, nkey, credentials }) =>
      [user, token, nkey, credentials].filter((one) => one !== undefined).length <= 1,
    'must have one of user, token, nkey and credentials at the most',
  )
  .refine(
    ({ user, password }) => (user === undefined) === (password === undefined),
    'user and password belong together',
  )
  .refine(({ servers }) => schemes(servers).size === 1, {
    path: ['servers'],
    message: 'must all be websockets (ws, wss), or none',
  })
  .refine(({ servers, tls: given }) => given === undefined || !servers[0]!.startsWith('ws'), {
    path: ['tls'],
    message: 'does not hold for websockets: use wss, whose certificates Node checks (NODE_EXTRA_CA_CERTS)',
  })

export type Config = z.infer<typeof config>
