import { verifyStandard } from '../verify.ts'
import type { Provider } from './provider.ts'

/** Whoever keeps to Standard Webhooks, under its header names or those of Svix. A retry keeps the id. */
export const standard: Provider = {
  verify: verifyStandard,
  id: ['{header.webhook-id}', '{header.svix-id}', '{signature}'],
  type: ['{data.type}', 'webhook'],
}
