import { z } from 'zod'
import { type Hook, hookAttributes, hookProviders } from '../core/hook.ts'
import { parseTemplate } from '../core/template.ts'
import { topicName } from './fields.ts'

/** The least that Standard Webhooks 1.0.0 allows. */
const leastKeyBytes = 24

const secret = z.string().refine((text) => text.trim() !== '', 'must not be empty: anybody could sign then')

const template = z.string().transform((text, context) => {
  const parsed = parseTemplate(text)
  if (!('fault' in parsed)) return parsed
  context.issues.push({ code: 'custom', input: text, message: parsed.fault })
  return z.NEVER
})

const address = z
  .string()
  .refine(
    (text) => URL.canParse(text) && /^https?:\/\/[^?#\s]+$/.test(text),
    'must be the address that the provider calls, such as https://hooks.example.com/v1/hooks/sms, without a query',
  )

/** One entry under `hooks`. */
export const hook = z
  .strictObject({
    provider: z.enum(hookProviders),
    secret: secret.optional(),
    secrets: z.array(secret).min(1, 'must have at least one').max(10, 'must have at most 10').optional(),
    topic: topicName,
    url: address.optional(),
    ...(Object.fromEntries(hookAttributes.map((name) => [name, template.optional()])) as Record<
      (typeof hookAttributes)[number],
      z.ZodOptional<typeof template>
    >),
  })
  .superRefine(({ provider, secret: one, secrets, url, id }, context) => {
    const complain = (path: PropertyKey[], message: string): void => context.addIssue({ code: 'custom', path, message })
    if ((one === undefined) === (secrets === undefined)) complain(['secret'], 'give either secret or secrets')
    if (provider === 'twilio' && url === undefined) complain(['url'], 'is required: Twilio signs the address it calls')
    if (provider !== 'twilio' && url !== undefined) complain(['url'], `means nothing with ${provider}`)
    if (id?.every((part) => typeof part === 'string') === true) {
      complain(['id'], 'must hold something in braces: events with one id are one event')
    }
    if (provider !== 'standard') return
    const given = [...(one === undefined ? [] : [[['secret'], one] as const]), ...(secrets ?? []).map(at)]
    for (const [path, text] of given) if (!isStandardSecret(text)) complain([...path], standardForm)
  })
  .transform(({ secret: one, secrets, provider, topic, url, ...templates }): Hook => {
    return { provider, topic, url, secrets: secrets ?? (one === undefined ? [] : [one]), templates }
  })

const standardForm = `must be whsec_ and the base64 of at least ${leastKeyBytes} bytes`

function at(text: string, index: number): readonly [readonly PropertyKey[], string] {
  return [['secrets', index], text]
}

function isStandardSecret(text: string): boolean {
  const key = text.replace(/^whsec_/, '')
  return z.base64().safeParse(key).success && atob(key).length >= leastKeyBytes
}

/**
 * Hooks whose topic is not declared: a fault between fields, told also while other fields are wrong. `value` is whatever
 * the file holds.
 */
export function strayHooks(value: unknown): { path: string[]; detail: string }[] {
  const { hooks, topics } = asRecord(value)
  const known = Object.keys(asRecord(topics))
  return Object.entries(asRecord(hooks)).flatMap(([name, entry]) => {
    const { topic } = asRecord(entry)
    if (typeof topic !== 'string' || known.includes(topic)) return []
    const detail = `there is no topic ${topic} under topics: ${known.join(', ') || 'there is none at all'}`
    return [{ path: ['hooks', name, 'topic'], detail }]
  })
}

function asRecord(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {}
}
