import { systemClock } from '../../../src/core/index.ts'
import { type Call, Engine } from '../engine/engine.ts'
import { type FileOptions, openFile } from '../engine/open.ts'
import { serve } from './serve.ts'

/** The thread that writes: everything that waits for it goes into one transaction. */
serve<FileOptions, Call>((options, say) => {
  const db = openFile(options)
  const engine = new Engine(db, { clock: systemClock, memory: false, maxBytes: options.maxBytes })
  return {
    ready: engine.operations.topics(null),
    run: (calls) => engine.run(calls),
    idle: () => {
      const appended = engine.upkeep()
      if (appended.length > 0) say(appended)
      return Math.max(0, engine.upkeepAt - systemClock.now())
    },
    close: () => db.close(),
  }
})
