import type { DatabaseSync } from 'node:sqlite'
import type { Keys, StoredKey } from '../store.ts'
import type { Writer } from './writer.ts'

interface Row {
  readonly id: string
  readonly name: string
  readonly hash: string
  readonly scopes: string
  readonly rate: number | null
  readonly createdAt: number
}

export function sqlKeys(database: DatabaseSync, writer: Writer, read: <T>(query: () => T) => Promise<T>): Keys {
  const list = database.prepare(
    'SELECT id, name, hash, scopes, rate_per_second AS rate, created_at AS createdAt FROM keys ORDER BY created_at, id',
  )
  const put = database.prepare(
    'INSERT OR REPLACE INTO keys (id, name, hash, scopes, rate_per_second, created_at) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const remove = database.prepare('DELETE FROM keys WHERE id = ?')
  return {
    list: () => read(() => (list.all() as unknown as Row[]).map(toKey)),
    async put({ id, name, hash, scopes, ratePerSecond, createdAt }) {
      await writer.run(() => put.run(id, name, hash, JSON.stringify(scopes), ratePerSecond ?? null, createdAt))
    },
    delete: (id) => writer.run(() => Number(remove.run(id).changes) > 0),
  }
}

function toKey({ id, name, hash, scopes, rate, createdAt }: Row): StoredKey {
  const key = { id, name, hash, scopes: JSON.parse(scopes) as string[], createdAt }
  return rate === null ? key : { ...key, ratePerSecond: rate }
}
