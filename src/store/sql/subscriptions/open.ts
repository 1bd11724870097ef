import type { Clock } from '../../../core/clock.ts'
import type { StoredSubscription, Subscriptions } from '../../subscriptions.ts'
import { change, type Sql } from '../query.ts'
import { type Vault, wrongKey } from '../vault.ts'
import { create } from './create.ts'
import { deleteSubscription } from './delete.ts'
import { changeFeed, leaseFeed } from './feed.ts'
import { get, ids, list, load } from './read.ts'
import { type SubscriptionRow, sealedOf, toSubscription } from './row.ts'
import { transition } from './transition.ts'
import { update } from './update.ts'
import { version } from './version.ts'

export function sqlSubscriptions(sql: Sql, vault: Vault, clock: Clock, where: string): Subscriptions {
  async function opened(rows: readonly SubscriptionRow[]): Promise<readonly StoredSubscription[]> {
    if (rows.length === 0) return []
    const seal = await vault.seal()
    return rows.map((row) => {
      const subscription = toSubscription(row, seal)
      if (subscription === undefined) throw wrongKey(where)
      return subscription
    })
  }

  return {
    version: () => sql.read(version),
    async load(since = -1) {
      const { version, total, rows } = await sql.read(() => load(since))
      return { version, total, subscriptions: await opened(rows) }
    },
    ids: () => sql.read(ids),
    list: async (page) => opened(await sql.read(() => list(page))),
    async get(id) {
      const row = await sql.read(() => get(id))
      return row === undefined ? undefined : (await opened([row]))[0]
    },
    async create(subscription, feed) {
      const sealed = sealedOf(subscription, await vault.seal())
      const row = await sql.write(() => create(subscription, sealed, feed))
      return (await opened([row]))[0]!
    },
    async update(subscription, revision) {
      const sealed = sealedOf(subscription, await vault.seal())
      const row = await sql.write(() => update(subscription, sealed, revision))
      return (await opened([row]))[0]!
    },
    delete: (id) => deleteSubscription(sql, id, clock.now()),
    transition: (id, from, to, reason, now) => sql.write(() => transition(id, from, to, reason, now)),
    async failing(id, since) {
      await sql.write(() => change('UPDATE subscriptions SET failing_since = ? WHERE id = ?', since ?? null, id))
    },
    feed: (id, from, to) => sql.write(() => changeFeed(id, from, to)),
    leaseFeed: (id, owner, until, now) => sql.write(() => leaseFeed(id, owner, until, now)),
  }
}
