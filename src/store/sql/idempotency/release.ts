import type { DatabaseSync } from 'node:sqlite'
import type { Idempotency } from '../../store.ts'
import type { Writer } from '../writer.ts'

/** The entry stays with its ids, for the retry that will take it. */
export function sqlRelease(database: DatabaseSync, writer: Writer): Idempotency['release'] {
  const release = database.prepare('UPDATE idempotency SET token = NULL WHERE scope = ? AND token = ?')
  return async (scope, token) => {
    await writer.run(() => release.run(scope, token))
  }
}
