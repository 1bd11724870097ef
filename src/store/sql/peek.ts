import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Binding } from '../../core/binding.ts'
import { storeError } from './errors.ts'
import { requireStore } from './migrations.ts'
import { Seal } from './seal.ts'
import { checkName, requireRightKey } from './vault.ts'

export interface Peeked {
  readonly bindings: readonly Binding[]
  readonly keys: number
}

/** What a check needs of a store, without changing it; undefined where there is no such file. */
export function peek(file: string, encryptionKey: string | undefined): Peeked | undefined {
  if (!existsSync(file)) return undefined
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file, { readOnly: true, timeout: 1000 })
    requireStore(database, file)
    const bindings = database.prepare('SELECT topic, broker, name, epoch FROM bindings').all() as unknown as Binding[]
    const keys = Number(database.prepare('SELECT count(*) AS keys FROM keys').get()?.keys)
    const check = database.prepare('SELECT value FROM secrets WHERE name = ?').get(checkName)?.value
    if (encryptionKey !== undefined && check !== undefined) {
      requireRightKey(new Seal(encryptionKey), check as Uint8Array, file)
    }
    return { bindings, keys }
  } catch (error) {
    throw storeError(error, file)
  } finally {
    database?.close()
  }
}
