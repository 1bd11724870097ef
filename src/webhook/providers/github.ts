import type { Provider } from './provider.ts'
import { findSignature, hexMac } from './signed.ts'

/**
 * GitHub signs the body alone: `sha256=` and HMAC-SHA256 in hexadecimal
 * (docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries). A redelivery keeps `X-GitHub-Delivery`.
 */
export const github: Provider = {
  verify({ headers, body, secrets }) {
    const given = headers.get('x-hub-signature-256') ?? ''
    return findSignature(secrets, [given], async (key) => `sha256=${await hexMac(key, body)}`)
  },
  id: ['{header.x-github-delivery}', '{signature}'],
  type: ['com.github.{header.x-github-event}', 'com.github.event'],
}
