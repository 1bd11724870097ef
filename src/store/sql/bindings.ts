import type { Binding, Bindings, Drain } from '../../core/binding.ts'
import { GatewayError } from '../../core/errors.ts'
import { all, change, first, type Query, type Sql } from './query.ts'

type BindingRow = Omit<Binding, 'start'> & { readonly start: string | null }

export interface DrainRow {
  readonly topic: string
  readonly broker: string
  readonly name: string
  readonly epoch: number
  readonly since: number
  readonly emptied_at: number | null
  readonly left_at: number | null
  readonly held_until: number | null
}

const columns = { emptied: 'emptied_at', left: 'left_at' } as const

export function sqlBindings(sql: Sql): Bindings {
  return {
    list: () => sql.read(list),
    put: (binding, drain) => sql.write(() => put(binding, drain)),
    drains: () => sql.read(drains),
    async holdDrain({ topic, epoch }, until) {
      await sql.write(() =>
        change('UPDATE drains SET held_until = ? WHERE topic = ? AND epoch = ?', until, topic, epoch),
      )
    },
    async markDrain({ topic, epoch }, what, now) {
      const column = columns[what]
      const mark = `UPDATE drains SET ${column} = ? WHERE topic = ? AND epoch = ? AND ${column} IS NULL`
      return (await sql.write(() => change(mark, now, topic, epoch))) > 0
    },
    async forgetDrain({ topic, epoch }) {
      return (await sql.write(() => change('DELETE FROM drains WHERE topic = ? AND epoch = ?', topic, epoch))) > 0
    },
  }
}

function* list(): Query<readonly Binding[]> {
  const rows = yield* all<BindingRow>('SELECT topic, broker, name, epoch, start FROM bindings ORDER BY topic')
  return rows.map(({ start, ...binding }) => ({ ...binding, ...(start !== null && { start }) }))
}

function* put(binding: Binding, drain: Drain | undefined): Query<void> {
  const { topic, broker, name, epoch, start = null } = binding
  const known = yield* first<BindingRow>(
    'SELECT topic, broker, name, epoch, start FROM bindings WHERE topic = ? FOR UPDATE',
    topic,
  )
  if (known !== undefined && known.epoch >= epoch) {
    // Replicas that start at once do the same.
    if (known.epoch === epoch && known.broker === broker && known.name === name) return
    throw new GatewayError('conflict', `Topic ${topic} was bound to broker ${known.broker} meanwhile.`)
  }
  yield* change(
    `INSERT INTO bindings (topic, broker, name, epoch, start) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (topic) DO UPDATE
       SET broker = excluded.broker, name = excluded.name, epoch = excluded.epoch, start = excluded.start`,
    topic,
    broker,
    name,
    epoch,
    start,
  )
  yield* change('DELETE FROM drains WHERE topic = ?', topic)
  if (drain === undefined) return
  yield* change(
    'INSERT INTO drains (topic, broker, name, epoch, since) VALUES (?, ?, ?, ?, ?)',
    topic,
    drain.broker,
    drain.name,
    drain.epoch,
    drain.since,
  )
}

export const selectDrains =
  'SELECT topic, broker, name, epoch, since, emptied_at, left_at, held_until FROM drains ORDER BY topic'

function* drains(): Query<readonly Drain[]> {
  return (yield* all<DrainRow>(selectDrains)).map(toDrain)
}

export function toDrain({ emptied_at, left_at, held_until, ...drain }: DrainRow): Drain {
  return {
    ...drain,
    ...(emptied_at !== null && { emptiedAt: emptied_at }),
    ...(left_at !== null && { leftAt: left_at }),
    ...(held_until !== null && { heldUntil: held_until }),
  }
}
