import { isTimely } from '../timestamp.ts'
import type { Provider } from './provider.ts'
import { findSignature, hexMac } from './signed.ts'

/**
 * Stripe signs `{t}.{body}` with HMAC-SHA256 and sends `t=…,v1=…`, with one v1 for each secret that is valid; other
 * schemes are not to be believed (docs.stripe.com/webhooks/signature, "Verify manually").
 */
export const stripe: Provider = {
  async verify({ headers, body, secrets, now }) {
    const items = (headers.get('stripe-signature') ?? '').split(',').map((item) => /^([a-z0-9]+)=(\S+)$/.exec(item))
    if (items.includes(null)) return undefined
    const valuesOf = (scheme: string) => items.flatMap((item) => (item?.[1] === scheme ? [item[2]!] : []))
    const [timestamp, another] = valuesOf('t')
    if (timestamp === undefined || another !== undefined || !isTimely(timestamp, now)) return undefined
    return findSignature(secrets, valuesOf('v1'), (key) => hexMac(key, timestamp, '.', body))
  },
  id: ['{data.id}', '{signature}'],
  type: ['com.stripe.{data.type}', 'com.stripe.event'],
}
