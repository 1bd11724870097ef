import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { systemClock } from '../../src/core/clock.ts'
import type { GatewayError } from '../../src/core/errors.ts'
import { defaultPolicy, type Subscription } from '../../src/core/subscription.ts'
import type { ClaimedDelivery, NewDelivery } from '../../src/store/deliveries.ts'
import { openSqliteStore } from '../../src/store/sql/open.ts'
import { openPostgresStore } from '../../src/store/sql/postgres/open.ts'
import type { Store } from '../../src/store/store.ts'
import type { StoredSubscription } from '../../src/store/subscriptions.ts'
import { sharedPostgres } from '../brokers/services/shared.ts'

export const databases = ['sqlite', 'postgres'] as const
export type Database = (typeof databases)[number]

export const encryptionKey = 'a key for tests'

/** An empty database, and stores that are opened on it as replicas would. */
export interface StoreStage {
  open(key?: string): Promise<Store>
  /** Everything that lies in it, as it lies there; bytes of Postgres as hexadecimal digits. */
  raw(): Promise<string>
  close(): Promise<void>
}

export async function storeStage(database: Database): Promise<StoreStage> {
  const opened: Store[] = []
  const keep = (store: Store): Store => {
    opened.push(store)
    return store
  }
  const closeAll = () => Promise.all(opened.map((store) => store.close()))
  if (database === 'sqlite') {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-store-'))
    const path = join(folder, 'store.db')
    return {
      open: async (key = encryptionKey) =>
        keep(await openSqliteStore({ path, clock: systemClock, encryptionKey: key })),
      async raw() {
        const files = (await readdir(folder)).filter((name) => !name.endsWith('.key'))
        return (await Promise.all(files.map((name) => readFile(join(folder, name), 'latin1')))).join('\n')
      },
      async close() {
        await closeAll()
        await rm(folder, { recursive: true })
      },
    }
  }
  const url = await sharedPostgres()
  return {
    open: async (key = encryptionKey) => keep(await openPostgresStore({ url, clock: systemClock, encryptionKey: key })),
    raw: () => everyRow(url),
    close: async () => void (await closeAll()),
  }
}

async function everyRow(url: string): Promise<string> {
  const client = new Client(url)
  await client.connect()
  const tables = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace('public')`,
  )
  const texts: string[] = []
  for (const { name } of tables.rows) {
    const { rows } = await client.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`)
    texts.push(...rows.map(({ row }) => row))
  }
  await client.end()
  return texts.join('\n')
}

let count = 0

/** Another one at every call. */
export function aSubscription(change: Partial<Subscription> = {}): Subscription {
  return {
    id: `sub-${++count}`,
    topic: 'orders',
    url: 'https://hook.example.com/in',
    filters: [{ exact: { type: 'order.created' } }],
    mode: 'structured',
    headers: { 'x-team': 'blue' },
    ordering: 'none',
    start: 'latest',
    policy: defaultPolicy,
    labels: { team: 'blue' },
    secrets: [{ secret: 'whsec_c2VjcmV0' }],
    status: 'active',
    declared: false,
    createdAt: 1000,
    updatedAt: 1000,
    ...change,
  }
}

export function subscribed(store: Store, change: Partial<Subscription> = {}): Promise<StoredSubscription> {
  return store.subscriptions.create(aSubscription(change), { state: 'attached' })
}

/** Parked and due at 1000, unless `change` says otherwise. */
export function aRow(subscription: string, event: string, change: Partial<NewDelivery> = {}): NewDelivery {
  return {
    id: `${subscription}/${event}`,
    subscription,
    topic: 'orders',
    event: storedEvent(event),
    status: 'parked',
    at: 1000,
    attempts: [],
    now: 1000,
    ...change,
  }
}

export function storedEvent(id: string): NewDelivery['event'] {
  const bytes = new TextEncoder().encode(`{"id":"${id}"}`)
  return { ref: `ref-${id}`, id, source: '/tests', type: 'order.created', position: `p-${id}`, bytes }
}

/** The same without when it is due. */
export function endedRow(subscription: string, event: string, change: Partial<NewDelivery> = {}): NewDelivery {
  const { at: _, ...row } = aRow(subscription, event, { status: 'dead', ...change })
  return row
}

export async function claimed(
  store: Store,
  subscription: string,
  { max = 100, token = 'token', now = 2000, until = 3000 } = {},
): Promise<readonly ClaimedDelivery[]> {
  return store.deliveries.claim([{ subscription, max }], { token, now, until })
}

export const eventIds = (rows: readonly ClaimedDelivery[]): readonly string[] => rows.map(({ eventId }) => eventId)

export function refusal(promise: Promise<unknown>): Promise<GatewayError> {
  return promise.then(
    () => {
      throw new Error('It was not refused.')
    },
    (error: GatewayError) => error,
  )
}
