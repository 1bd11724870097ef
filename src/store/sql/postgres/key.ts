import { GatewayError } from '../../../core/errors.ts'

/** No key is made up here: a replica elsewhere would make another. */
export function requireEncryptionKey(text: string | undefined): string {
  if (text !== undefined) return text
  throw new GatewayError(
    'misconfigured',
    'A store in Postgres needs encryptionKey: all replicas read the same secrets, and need the same key for that.',
  )
}
