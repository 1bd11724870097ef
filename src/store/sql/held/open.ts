import type { HeldGroups } from '../../held-groups.ts'
import type { Sql } from '../query.ts'
import { deleteDead, listDead, redrive } from './dead.ts'
import { fill } from './fill.ts'
import { amount, close, drop, get, open } from './group.ts'
import { isDue, lease, nextDue } from './lease.ts'
import { settle } from './settle.ts'

export function sqlHeldGroups(sql: Sql): HeldGroups {
  return {
    get: (group) => sql.read(() => get(group)),
    amount: (group, now, limit) => sql.read(() => amount(group, now, limit)),
    close: (group, definition, now, until) => sql.write(() => close(group, definition, now, until)),
    open: (group, term, change) => sql.write(() => open(group, term, change)),
    delete: (group, term) => sql.write(() => drop(group, term)),
    fill: (group, wanted) => sql.write(() => fill(group, wanted)),
    async lease(group, wanted) {
      const due = await sql.read(() => isDue(group, wanted.now))
      if (due !== true) return due === undefined ? undefined : []
      return sql.write(() => lease(group, wanted))
    },
    nextDue: (group) => sql.read(() => nextDue(group)),
    settle: (group, settlements, now) => sql.write(() => settle(group, settlements, now)),
    dead: (group, page, now) => sql.write(() => listDead(group, page, now)),
    redrive: (group, which, now) => sql.write(() => redrive(group, which, now)),
    deleteDead: (group, id, now) => sql.write(() => deleteDead(group, id, now)),
  }
}
