import type { DatabaseSync } from 'node:sqlite'
import type { Binding, Bindings } from '../../core/binding.ts'
import type { Writer } from './writer.ts'

export function sqlBindings(database: DatabaseSync, writer: Writer, read: <T>(query: () => T) => Promise<T>): Bindings {
  const list = database.prepare('SELECT topic, broker, name, epoch FROM bindings ORDER BY topic')
  const put = database.prepare(
    `INSERT INTO bindings (topic, broker, name, epoch) VALUES (?, ?, ?, ?)
     ON CONFLICT (topic) DO UPDATE SET broker = excluded.broker, name = excluded.name, epoch = excluded.epoch`,
  )
  return {
    list: () => read(() => list.all() as unknown as Binding[]),
    async put({ topic, broker, name, epoch }) {
      await writer.run(() => put.run(topic, broker, name, epoch))
    },
  }
}
