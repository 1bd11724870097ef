import type { Deliveries } from '../../deliveries.ts'
import type { Sql } from '../query.ts'
import { claim, release } from './claim.ts'
import { finish } from './finish.ts'
import { insert } from './insert.ts'
import { kill } from './kill.ts'
import { blocked, counts, known, pending, schedule } from './owed.ts'
import { purging } from './purge.ts'
import { get, list } from './read.ts'
import { remove } from './remove.ts'
import { retry } from './retry.ts'

export function sqlDeliveries(sql: Sql): Deliveries {
  return {
    insert: (rows, progress) => sql.writeInOrder(() => insert(rows, progress)),
    finish: (results) => sql.write(() => finish(results)),
    claim: (wanted, by) => sql.write(() => claim(wanted, by)),
    release: (held, dueAt) => sql.write(() => release(held, dueAt)),
    schedule: () => sql.read(schedule),
    known: (ids) => sql.read(() => known(ids)),
    blocked: (pairs) => sql.read(() => blocked(pairs)),
    pending: (subscription) => sql.read(() => pending(subscription)),
    list: (filter, page) => sql.read(() => list(filter, page)),
    get: (id) => sql.read(() => get(id)),
    retry: (id, now) => sql.write(() => retry(id, now)),
    delete: (id) => sql.write(() => remove(id)),
    kill: (subscription, reason, now) => kill(sql, subscription, reason, now),
    counts: (subscription) => sql.read(() => counts(subscription)),
    purge: purging(sql),
  }
}
