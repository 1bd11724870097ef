import type { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../core/errors.ts'
import { advice } from './errors.ts'
import { migrations } from './schema.ts'

/** 'Slce', in the header of the file, tells a store from any other SQLite database. */
const applicationId = 0x536c6365

/** All missing migrations in one transaction. Throws `misconfigured` for a database that is not ours, or newer. */
export function migrate(database: DatabaseSync, file: string): void {
  if (version(database) === migrations.length && ours(database)) return
  database.exec('BEGIN IMMEDIATE')
  try {
    const from = version(database)
    requireStoreOrNew(database, file)
    for (const migration of migrations.slice(from)) database.exec(migration)
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}`)
    database.exec('COMMIT')
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}

/** Throws `misconfigured` for a database that is not ours, or newer. */
export function requireStore(database: DatabaseSync, file: string): void {
  if (!ours(database)) {
    throw new GatewayError('misconfigured', `${file} is a SQLite database, but no store of Sluice. ${advice}`)
  }
  const schema = version(database)
  if (schema > migrations.length) {
    throw new GatewayError('misconfigured', `The store ${file} was made by a newer Sluice (schema ${schema}).`)
  }
}

export function requireStoreOrNew(database: DatabaseSync, file: string): void {
  if (!empty(database)) requireStore(database, file)
}

function version(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version)
}

function ours(database: DatabaseSync): boolean {
  return database.prepare('PRAGMA application_id').get()?.application_id === applicationId
}

function empty(database: DatabaseSync): boolean {
  return database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()?.tables === 0
}
