import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

const pollMs = 200

/** Held by one process at a time, and let go when it ends, however it ends. Gives what lets go of it. */
async function lock(file: string): Promise<() => void> {
  const database = new DatabaseSync(file, { timeout: 0 })
  for (;;) {
    try {
      database.exec('BEGIN EXCLUSIVE')
      return () => database.close()
    } catch (error) {
      if (!(error instanceof Error && error.message.includes('locked'))) throw error
      await sleep(pollMs)
    }
  }
}

/**
 * The folder `name` of the user's cache, outside the work tree. Where it is absent, `make` fills one that takes its
 * place once complete; of several processes one makes it and the others wait.
 */
export async function cached(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sluice-testbed')
  const folder = join(cache, name)
  if (existsSync(folder)) return folder
  await mkdir(cache, { recursive: true })
  const release = await lock(`${folder}.lock`)
  try {
    if (existsSync(folder)) return folder
    const unfinished = `${folder}.unfinished`
    await rm(unfinished, { recursive: true, force: true })
    await mkdir(unfinished)
    await make(unfinished)
    await rename(unfinished, folder)
    return folder
  } finally {
    release()
  }
}
