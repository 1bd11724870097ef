import type { HookProvider } from '../../core/hook.ts'
import { github } from './github.ts'
import type { Provider } from './provider.ts'
import { shopify } from './shopify.ts'
import { slack } from './slack.ts'
import { standard } from './standard.ts'
import { stripe } from './stripe.ts'
import { twilio } from './twilio.ts'

export const providers: Readonly<Record<HookProvider, Provider>> = { github, stripe, slack, shopify, twilio, standard }
