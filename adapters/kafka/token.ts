import { GatewayError } from '../../src/core/index.ts'
import type { SaslConfig } from './config.ts'

type OauthConfig = Extract<SaslConfig, { mechanism: 'oauthbearer' }>

const timeoutMs = 10_000
/** A token is renewed so long before its end. */
const aheadMs = 30_000

/**
 * Gets tokens with the client's credentials (RFC 6749, section 4.4), and keeps each nearly to its end. Rejects where the
 * token server refuses; its answer is not quoted, for it may hold what is secret.
 */
export function clientCredentials({ tokenUrl, clientId, clientSecret, scope }: OauthConfig): () => Promise<string> {
  let held: { token: string; until: number } | undefined
  return async () => {
    if (held !== undefined && Date.now() < held.until) return held.token
    const credentials = `${encodeURIComponent(clientId!)}:${encodeURIComponent(clientSecret!)}`
    const answer = await fetch(tokenUrl!, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope !== undefined && { scope }) }),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    }).catch((cause) => {
      const detail = `The server of tokens at ${tokenUrl} does not answer (sasl).`
      throw new GatewayError('unavailable', detail, { retryAfterMs: 1000, cause })
    })
    if (answer.status >= 500) {
      const detail = `The server of tokens at ${tokenUrl} answered ${answer.status} (sasl).`
      throw new GatewayError('unavailable', detail, { retryAfterMs: 1000 })
    }
    const body: unknown = answer.ok ? await answer.json().catch(() => undefined) : undefined
    const { access_token: token, expires_in: seconds } = (body ?? {}) as Record<string, unknown>
    if (typeof token !== 'string') {
      const detail = `The server of tokens at ${tokenUrl} answered ${answer.status} without a token: check clientId, clientSecret and scope (sasl).`
      throw new GatewayError('misconfigured', detail)
    }
    const lifeMs = typeof seconds === 'number' ? seconds * 1000 : 0
    held = { token, until: Date.now() + lifeMs - aheadMs }
    return token
  }
}
