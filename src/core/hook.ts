import type { Template } from './template.ts'

/** Whose webhooks are understood. `standard` is everybody who keeps to Standard Webhooks. */
export const hookProviders = ['github', 'stripe', 'slack', 'shopify', 'twilio', 'standard'] as const

export type HookProvider = (typeof hookProviders)[number]

/** The attributes that a hook may make out of a request; `key` is `partitionkey`. */
export const hookAttributes = ['id', 'type', 'source', 'subject', 'key'] as const

export type HookTemplates = { readonly [Name in (typeof hookAttributes)[number]]?: Template | undefined }

/** A place at which somebody else's webhooks become events of a topic. */
export interface Hook {
  readonly provider: HookProvider
  /** Any of them may have signed; several while a secret is being replaced. Never empty, and none of them is. */
  readonly secrets: readonly string[]
  readonly topic: string
  /** The address that the provider calls, where the provider signs that too. */
  readonly url?: string | undefined
  /** What stands here comes before what the provider's own say. */
  readonly templates: HookTemplates
}
