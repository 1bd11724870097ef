import { resolve } from 'node:path'
import type { LoadedConfig } from '../config/load.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import type { Peeked } from '../store/sql/peek.ts'
import type { Store } from '../store/store.ts'

/** Opens the store that the configuration names, and makes it where it is missing. */
export async function openStore(loaded: LoadedConfig, clock: Clock): Promise<Store> {
  const { store, encryptionKey } = loaded.config
  if (store.type === 'postgres') {
    const { openPostgresStore } = await import('../store/sql/postgres/open.ts')
    return openPostgresStore({ url: store.url, clock, encryptionKey })
  }
  const { openSqliteStore } = await import('../store/sql/open.ts')
  return openSqliteStore({ path: resolve(loaded.source.directory, store.path), clock, encryptionKey })
}

/** The store of a folder that has no configuration. */
export async function openDefaultStore(path: string): Promise<Store> {
  const { openSqliteStore } = await import('../store/sql/open.ts')
  return openSqliteStore({ path, clock: systemClock })
}

/** How messages name it; without a secret. */
export async function storeName({ config: { store }, source }: LoadedConfig): Promise<string> {
  if (store.type === 'sqlite') return resolve(source.directory, store.path)
  const { placeOf } = await import('../store/sql/postgres/pool.ts')
  return placeOf(store.url)
}

/** What a check needs of the store, without changing it; undefined where it is not made yet. */
export async function peekStore(loaded: LoadedConfig): Promise<Peeked | undefined> {
  const { store, encryptionKey } = loaded.config
  if (store.type === 'postgres') {
    const { peekPostgres } = await import('../store/sql/postgres/peek.ts')
    return peekPostgres(store.url, encryptionKey)
  }
  const { peek } = await import('../store/sql/peek.ts')
  return peek(resolve(loaded.source.directory, store.path), encryptionKey)
}
