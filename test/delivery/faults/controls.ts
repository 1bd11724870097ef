import { DatabaseSync } from 'node:sqlite'
import type { HeldDelivery } from '../../../src/store/deliveries.ts'
import type { Store } from '../../../src/store/store.ts'
import { pause } from '../../conformance/waiting.ts'

/**
 * Gateways that are wrong on purpose. `settles-first`: an event is settled before its rows are durable. `claims-twice`: a
 * claimed row can be claimed again at once. `finishes-unasked`: the same, and an attempt is noted whoever holds the row by
 * then. `redrives-twice`: every redrive is carried out a second time.
 */
export type Control = 'settles-first' | 'claims-twice' | 'finishes-unasked' | 'redrives-twice'

const lateMs = 1500

/** `path` is the store's file. */
export function broken(store: Store, control: Control, path: string): Store {
  if (control === 'settles-first') return settlingFirst(store)
  if (control === 'redrives-twice') return redrivingTwice(store)
  return claimingTwice(store, control === 'finishes-unasked' ? path : undefined)
}

function settlingFirst(store: Store): Store {
  return {
    ...store,
    deliveries: {
      ...store.deliveries,
      insert: async (rows, progress) => {
        if (progress !== undefined) return store.deliveries.insert(rows, progress)
        void pause(lateMs).then(() => store.deliveries.insert(rows).catch(() => undefined))
        return rows.map(() => true)
      },
    },
  }
}

function claimingTwice(store: Store, path: string | undefined): Store {
  const { deliveries } = store
  const held =
    path === undefined ? undefined : new DatabaseSync(path).prepare('UPDATE deliveries SET token = ? WHERE id = ?')
  const lost = new Set<string>()
  return {
    ...store,
    deliveries: {
      ...deliveries,
      claim: async (wanted, claim) => {
        const claimed = await deliveries.claim(wanted, claim)
        // Each row once, or nothing would ever come to its end.
        const again = claimed
          .filter(({ id }) => !lost.has(id))
          .map(({ id }): HeldDelivery => ({ id, token: claim.token }))
        for (const { id } of again) lost.add(id)
        if (again.length > 0) await deliveries.release(again, claim.now)
        return claimed
      },
      finish: async (results) => {
        for (const { id, token } of results) held?.run(token, id)
        return deliveries.finish(results)
      },
    },
  }
}

function redrivingTwice(store: Store): Store {
  const { operations } = store
  return {
    ...store,
    operations: {
      ...operations,
      transition: async (id, from, to, now, error) => {
        const operation = await operations.get(id)
        if (to === 'succeeded' && operation?.what.kind === 'redrive') {
          const again = { ...operation, id: `${id}-again`, what: { ...operation.what, before: now } }
          await operations.create({ ...again, startedAt: now })
          while ((await operations.redrive(again.id, 500, now)) > 0);
        }
        return operations.transition(id, from, to, now, error)
      },
    },
  }
}
