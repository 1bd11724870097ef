import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { systemClock } from '../../../src/core/clock.ts'
import { type Call, Engine } from '../engine/engine.ts'
import { type FileOptions, openFile, refusal } from '../engine/open.ts'
import { serve } from './serve.ts'

/** The thread that writes: everything that waits for it goes into one transaction. */
serve<FileOptions, Call>((options, say) => {
  const db = openFile(options)
  const engine = open(db, options)
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

function open(db: DatabaseSync, { path, maxBytes }: FileOptions): Engine {
  try {
    return new Engine(db, { clock: systemClock, memory: false, maxBytes, diskFree: () => freeBytes(dirname(path)) })
  } catch (thrown) {
    db.close()
    throw refusal(path, thrown)
  }
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}
