import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../core/clock.ts'
import type { Writer } from './writer.ts'

const bytes = 32

/** Reads the secret of a name, or makes it: whichever replica was first, all get the same. */
export function sqlSecret(database: DatabaseSync, writer: Writer, clock: Clock): (name: string) => Promise<Uint8Array> {
  const insert = database.prepare('INSERT OR IGNORE INTO secrets (name, value) VALUES (?, ?)')
  const select = database.prepare('SELECT value FROM secrets WHERE name = ?')
  return (name) =>
    writer.run(() => {
      const fresh = new Uint8Array(bytes)
      clock.random(fresh)
      insert.run(name, fresh)
      return select.get(name)?.value as Uint8Array
    })
}
