import type { Clock } from '../../core/clock.ts'
import { change, first, type Query, type Sql } from './query.ts'

const bytes = 32

/** Reads the secret of a name, or makes it: whichever replica was first, all get the same. */
export function sqlSecret(sql: Sql, clock: Clock): (name: string) => Promise<Uint8Array> {
  return (name) => {
    const fresh = new Uint8Array(bytes)
    clock.random(fresh)
    return sql.write(() => firstOf(name, fresh))
  }
}

/** What is kept under a name: `fresh` where nothing was. */
export function* firstOf(name: string, fresh: Uint8Array): Query<Uint8Array> {
  yield* change('INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING', name, fresh)
  return (yield* storedSecret(name))!
}

export function* storedSecret(name: string): Query<Uint8Array | undefined> {
  return (yield* first<{ value: Uint8Array }>('SELECT value FROM secrets WHERE name = ?', name))?.value
}
