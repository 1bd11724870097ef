import { invalid } from '../core/errors.ts'
import type { EndpointAuth } from '../core/subscription.ts'
import { checkHeaders, isCredential } from '../webhook/headers.ts'
import type { Webhooks } from './gateway.ts'
import { hidden } from './subscription-forms.ts'

interface Target {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly auth?: EndpointAuth
}

/**
 * Rejects with `invalid_argument` where the gateway would never call the endpoint, or the server that gives its tokens.
 * What is as it was `before` is not looked at again.
 */
export async function checkEndpoint(webhooks: Pick<Webhooks, 'check'>, target: Target, before?: Target): Promise<void> {
  const { url, headers, auth } = target
  checkHeaders(headers, '/headers', auth !== undefined && !('mtls' in auth))
  if (auth !== undefined && 'mtls' in auth && !/^https:/i.test(url)) {
    throw invalid('/auth/mtls', 'mtls needs an https URL.')
  }
  if (url !== before?.url) await webhooks.check(url, '/url')
  const tokenUrl = tokenUrlOf(target)
  if (tokenUrl !== undefined && tokenUrl !== (before && tokenUrlOf(before))) {
    await webhooks.check(tokenUrl, '/auth/oauth2/tokenUrl')
  }
}

function tokenUrlOf({ auth }: Pick<Target, 'auth'>): string | undefined {
  return auth !== undefined && 'oauth2' in auth ? auth.oauth2.tokenUrl : undefined
}

/** How the gateway proves itself to an endpoint; with what is never told. */
export function authKind(auth: EndpointAuth): 'bearer' | 'basic' | 'oauth2' | 'mtls' {
  if ('bearer' in auth) return 'bearer'
  if ('basic' in auth) return 'basic'
  return 'oauth2' in auth ? 'oauth2' : 'mtls'
}

/** Headers as they are shown: what looks like a credential is not. */
export function shownHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, isCredential(name) ? hidden : value]))
}
