import { systemClock } from '../../../src/core/index.ts'
import { type Call, Engine } from '../engine/engine.ts'
import { type FileOptions, openFile } from '../engine/open.ts'
import { serve } from './serve.ts'

/** The thread that writes: everything that waits for it goes into one transaction. */
serve<FileOptions, Call>((options) => {
  const db = openFile(options)
  const engine = new Engine(db, { clock: systemClock, memory: false })
  return {
    ready: engine.operations.topics(null),
    run: (calls) => engine.run(calls),
    idle: () => 1000,
    close: () => db.close(),
  }
})
