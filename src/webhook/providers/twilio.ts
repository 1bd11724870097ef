import { base64, hex, joined, mac, sameText } from '../mac.ts'
import { formOf } from './payload.ts'
import type { Inbound, Provider } from './provider.ts'
import { findSignature } from './signed.ts'

/**
 * Twilio signs the address that it called and then every form parameter, sorted, name and value without anything in
 * between, with HMAC-SHA1 in base64; of a body that is no form, the address has the hash as `bodySHA256`
 * (twilio.com/docs/usage/webhooks/webhooks-security, "Validate signatures"). With the port and without it are both right,
 * and a parameter that is given twice counts once for each value, as in Twilio's own libraries.
 *
 * A status callback repeats the id of its message or call, so that only the signature tells two of them apart.
 */
export const twilio: Provider = {
  async verify(request) {
    const parameters = await signedParameters(request)
    if (parameters === undefined || request.url === undefined) return undefined
    const given = [request.headers.get('x-twilio-signature') ?? '']
    for (const address of spellings(request.url)) {
      const signed = joined(address, request.query, parameters)
      const found = await findSignature(request.secrets, given, async (key) => base64(await mac('SHA-1', key, signed)))
      if (found !== undefined) return found
    }
    return undefined
  },
  id: ['{data.MessageSid}-{signature}', '{data.CallSid}-{signature}', '{signature}'],
  type: [
    'com.twilio.message.{data.MessageStatus}',
    'com.twilio.message.{data.SmsStatus}',
    'com.twilio.call.{data.CallStatus}',
    'com.twilio.event',
  ],
}

/** What stands behind the address in the text that is signed; undefined where the body is under no signature. */
async function signedParameters({ headers, body, query }: Inbound): Promise<string | undefined> {
  const [hash, another] = new URLSearchParams(query).getAll('bodySHA256')
  if (another !== undefined) return undefined
  if (hash !== undefined) {
    const found = hex(new Uint8Array(await crypto.subtle.digest('SHA-256', body)))
    return sameText(hash, found) ? '' : undefined
  }
  if (body.length === 0) return ''
  const form = formOf(headers.get('content-type'), body)
  if (form === undefined) return undefined
  return [...new Set(form.keys())]
    .sort()
    .flatMap((name) => [...new Set(form.getAll(name))].sort().map((value) => name + value))
    .join('')
}

/** The address as it was configured, and with and without the port that its scheme stands for. */
function spellings(url: string): Set<string> {
  const { protocol, username, password, hostname, port, pathname } = new URL(url)
  const user = username === '' ? '' : `${username}${password === '' ? '' : `:${password}`}@`
  const standard = protocol === 'https:' ? '443' : '80'
  const before = `${protocol}//${user}${hostname}`
  return new Set([url, `${before}${pathname}`, `${before}:${port === '' ? standard : port}${pathname}`])
}
