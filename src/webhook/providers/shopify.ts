import { base64, mac } from '../mac.ts'
import type { Provider } from './provider.ts'
import { findSignature } from './signed.ts'

/**
 * Shopify signs the body alone, with HMAC-SHA256 in base64; the same delivery keeps `X-Shopify-Webhook-Id`
 * (shopify.dev/docs/apps/build/webhooks/verify-deliveries).
 */
export const shopify: Provider = {
  verify({ headers, body, secrets }) {
    const given = headers.get('x-shopify-hmac-sha256') ?? ''
    return findSignature(secrets, [given], async (key) => base64(await mac('SHA-256', key, body)))
  },
  id: ['{header.x-shopify-webhook-id}', '{signature}'],
  type: ['com.shopify.{header.x-shopify-topic}', 'com.shopify.event'],
}
