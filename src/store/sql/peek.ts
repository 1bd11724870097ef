import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Binding } from '../../core/binding.ts'
import { storeError } from './errors.ts'
import { requireStore } from './migrations.ts'

/** What a check needs of a store, without changing it; undefined where there is no such file. */
export function peek(file: string): { bindings: readonly Binding[]; keys: number } | undefined {
  if (!existsSync(file)) return undefined
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file, { readOnly: true, timeout: 1000 })
    requireStore(database, file)
    const bindings = database.prepare('SELECT topic, broker, name, epoch FROM bindings').all() as unknown as Binding[]
    const keys = Number(database.prepare('SELECT count(*) AS keys FROM keys').get()?.keys)
    return { bindings, keys }
  } catch (error) {
    throw storeError(error, file)
  } finally {
    database?.close()
  }
}
