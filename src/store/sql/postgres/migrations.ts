import type { ClientBase } from 'pg'
import { GatewayError } from '../../../core/errors.ts'
import { migrations } from '../schema.ts'
import { advice } from './errors.ts'

/** Of the advisory lock under which replicas that boot at once migrate one after another. */
const lock = 0x536c6365

/** It also tells a store from any other database. */
const versionTable = 'sluice_schema'

/** All missing migrations in one transaction. Throws `misconfigured` for a database that is not ours, or newer. */
export async function migrate(client: ClientBase, where: string): Promise<void> {
  await client.query('BEGIN')
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [lock])
    const from = (await schemaVersion(client, where)) ?? 0
    if (from < migrations.length) {
      if (from === 0) await client.query(`CREATE TABLE ${versionTable} (version BIGINT NOT NULL)`)
      for (const migration of migrations.slice(from)) await client.query(inPostgres(migration))
      await client.query(`DELETE FROM ${versionTable}`)
      await client.query(`INSERT INTO ${versionTable} (version) VALUES ($1)`, [migrations.length])
    }
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

/** Undefined where the database is empty. Throws `misconfigured` for one that is not ours, or newer. */
export async function schemaVersion(client: ClientBase, where: string): Promise<number | undefined> {
  const { rows } = await client.query<{ ours: string | null; tables: number; schema: string | null }>(
    `SELECT to_regclass('${versionTable}') AS ours, current_schema() AS schema, (SELECT count(*) FROM pg_class
       WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relnamespace = to_regnamespace(current_schema())) AS tables`,
  )
  const { ours, tables, schema } = rows[0]!
  if (schema === null) throw misconfigured(where, 'has no schema in its search_path.')
  if (ours === null) {
    if (Number(tables) === 0) return undefined
    throw misconfigured(where, `is a database with tables that are not Sluice's. ${advice}`)
  }
  const found = await client.query<{ version: number }>(`SELECT version FROM ${versionTable}`)
  const version = Number(found.rows[0]?.version ?? 0)
  if (version > migrations.length) throw misconfigured(where, `was made by a newer Sluice (schema ${version}).`)
  return version
}

function misconfigured(where: string, detail: string): GatewayError {
  return new GatewayError('misconfigured', `The store ${where} ${detail}`)
}

/** Texts are compared byte by byte, as SQLite does, whatever the database's language. */
function inPostgres(migration: string): string {
  return migration
    .replaceAll('INTEGER PRIMARY KEY AUTOINCREMENT', 'BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY')
    .replaceAll(/\bINTEGER\b/g, 'BIGINT')
    .replaceAll(/\bREAL\b/g, 'DOUBLE PRECISION')
    .replaceAll(/\bBLOB\b/g, 'BYTEA')
    .replaceAll(/\bTEXT\b/g, 'TEXT COLLATE "C"')
    .replaceAll(/\) STRICT\b/g, ')')
}
