import { invalid } from '../core/errors.ts'
import type { EndpointAuth } from '../core/subscription.ts'

const visible = /^[\x21-\x7e]+$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 7617, section 2, forbids exactly these.
const control = /[\u0000-\u001f\u007f]/

/**
 * Checks what an endpoint is to know the gateway by, as far as that can be seen without asking. Throws `invalid_argument`
 * with a pointer; what is secret stays out of it.
 */
export function checkAuth(auth: EndpointAuth, pointer: string): void {
  if ('bearer' in auth) {
    if (!visible.test(auth.bearer))
      throw invalid(`${pointer}/bearer`, 'A bearer token is visible ASCII, without spaces.')
  } else if ('basic' in auth) {
    const { user, password } = auth.basic
    if (user.includes(':')) throw invalid(`${pointer}/basic/user`, 'The user must not hold a colon.')
    if (control.test(user)) throw invalid(`${pointer}/basic/user`, 'The user must not hold a control character.')
    if (control.test(password)) {
      throw invalid(`${pointer}/basic/password`, 'The password must not hold a control character.')
    }
  } else if ('oauth2' in auth) {
    if (auth.oauth2.clientId === '') throw invalid(`${pointer}/oauth2/clientId`, 'The client id must not be empty.')
  } else {
    for (const name of ['cert', 'key'] as const) {
      if (!auth.mtls[name].includes('-----BEGIN ')) throw invalid(`${pointer}/mtls/${name}`, `${name} must be PEM.`)
    }
  }
}
