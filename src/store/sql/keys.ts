import type { Keys, StoredKey } from '../store.ts'
import { all, change, type Query, type Sql } from './query.ts'

interface Row {
  readonly id: string
  readonly name: string
  readonly hash: string
  readonly scopes: string
  readonly rate_per_second: number | null
  readonly created_at: number
}

export function sqlKeys(sql: Sql): Keys {
  return {
    list: () => sql.read(list),
    put: (key) => sql.write(() => put(key)),
    delete: async (id) => (await sql.write(() => change('DELETE FROM keys WHERE id = ?', id))) > 0,
  }
}

function* list(): Query<readonly StoredKey[]> {
  const rows = yield* all<Row>(
    'SELECT id, name, hash, scopes, rate_per_second, created_at FROM keys ORDER BY created_at, id',
  )
  return rows.map(toKey)
}

function* put({ id, name, hash, scopes, ratePerSecond, createdAt }: StoredKey): Query<void> {
  yield* change('DELETE FROM keys WHERE id = ? OR hash = ?', id, hash)
  yield* change(
    'INSERT INTO keys (id, name, hash, scopes, rate_per_second, created_at) VALUES (?, ?, ?, ?, ?, ?)',
    id,
    name,
    hash,
    JSON.stringify(scopes),
    ratePerSecond ?? null,
    createdAt,
  )
}

function toKey({ id, name, hash, scopes, rate_per_second: rate, created_at: createdAt }: Row): StoredKey {
  const key = { id, name, hash, scopes: JSON.parse(scopes) as string[], createdAt }
  return rate === null ? key : { ...key, ratePerSecond: rate }
}
