import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Binding, Drain } from '../../core/binding.ts'
import { type DrainRow, selectDrains, toDrain } from './bindings.ts'
import { storeError } from './errors.ts'
import { requireStore } from './migrations.ts'
import { Seal } from './seal.ts'
import { checkName, requireRightKey } from './vault.ts'

export interface Peeked {
  readonly bindings: readonly Binding[]
  readonly drains: readonly Drain[]
  readonly subscribers: readonly PeekedSubscriber[]
  readonly keys: number
}

export interface PeekedSubscriber {
  readonly id: string
  readonly topic: string
  readonly ordering: 'none' | 'key'
  readonly isDetached: boolean
}

/** What of a subscription stands in the clear. */
export interface SubscriberRow {
  readonly id: string
  readonly topic: string
  readonly definition: string
  readonly feed_state: string
}

export const selectSubscribers = "SELECT id, topic, definition, feed_state FROM subscriptions WHERE status <> 'ended'"

export function toSubscriber({ id, topic, definition, feed_state }: SubscriberRow): PeekedSubscriber {
  const { ordering } = JSON.parse(definition) as Pick<PeekedSubscriber, 'ordering'>
  return { id, topic, ordering, isDetached: feed_state !== 'attached' }
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
    const has = (table: string): boolean =>
      database!.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(table) !== undefined
    const rows = <R>(table: string, select: string): readonly R[] =>
      has(table) ? (database!.prepare(select).all() as unknown as R[]) : []
    const drains = rows<DrainRow>('drains', selectDrains).map(toDrain)
    const subscribers = rows<SubscriberRow>('subscriptions', selectSubscribers).map(toSubscriber)
    return { bindings, keys, drains, subscribers }
  } catch (error) {
    throw storeError(error, file)
  } finally {
    database?.close()
  }
}
