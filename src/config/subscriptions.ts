import { z } from 'zod'
import { topicName } from './fields.ts'

/**
 * Declared subscriptions, as far as the configuration itself knows them. The rest of each is checked against the form that
 * the API has, once that is loaded, as an adapter's keys are: so the two cannot differ.
 */
const declared = z.looseObject({ name: z.string(), topic: topicName, url: z.string() })

export const declaredSubscriptions = z.array(declared).superRefine((entries, context) => {
  const seen = new Set<string>()
  for (const [index, { name }] of entries.entries()) {
    if (seen.has(name)) context.addIssue({ code: 'custom', path: [index, 'name'], message: 'is the name of another' })
    seen.add(name)
  }
})
