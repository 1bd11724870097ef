import type { Binding, Bindings } from '../../core/binding.ts'
import { all, change, type Sql } from './query.ts'

export function sqlBindings(sql: Sql): Bindings {
  return {
    list: () => sql.read(() => all<Binding>('SELECT topic, broker, name, epoch FROM bindings ORDER BY topic')),
    async put({ topic, broker, name, epoch }) {
      await sql.write(() =>
        change(
          `INSERT INTO bindings (topic, broker, name, epoch) VALUES (?, ?, ?, ?)
           ON CONFLICT (topic) DO UPDATE SET broker = excluded.broker, name = excluded.name, epoch = excluded.epoch`,
          topic,
          broker,
          name,
          epoch,
        ),
      )
    },
  }
}
