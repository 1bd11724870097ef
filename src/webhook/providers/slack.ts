import { isTimely } from '../timestamp.ts'
import type { Provider } from './provider.ts'
import { findSignature, hexMac } from './signed.ts'

/**
 * Slack signs `v0:{timestamp}:{body}` with HMAC-SHA256 (docs.slack.dev/authentication/verifying-requests-from-slack). An
 * address that is new is asked to repeat a challenge (docs.slack.dev/reference/events/url_verification); that is signed
 * like everything else, and answered only where the signature is right.
 */
export const slack: Provider = {
  async verify({ headers, body, secrets, now }) {
    const timestamp = headers.get('x-slack-request-timestamp') ?? ''
    const given = headers.get('x-slack-signature') ?? ''
    if (!isTimely(timestamp, now)) return undefined
    return findSignature(secrets, [given], async (key) => `v0=${await hexMac(key, 'v0:', timestamp, ':', body)}`)
  },
  reply(payload) {
    const challenge = payload.find(['challenge'])
    if (challenge === undefined || payload.find(['type']) !== 'url_verification') return undefined
    return Response.json({ challenge })
  },
  id: ['{data.event_id}', '{signature}'],
  type: ['com.slack.{data.event.type}', 'com.slack.{data.type}', 'com.slack.event'],
}
