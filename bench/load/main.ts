// The load process: takes one job at a time from the process that started it, and answers what came of it.
import { closedLoop } from './closed.ts'
import type { Job, Outcome, Reply } from './job.ts'
import { openLoop } from './open.ts'
import { readLog } from './read.ts'
import { streamLines } from './stream.ts'

function run(job: Job): Promise<Outcome> {
  if (job.kind === 'closed') return closedLoop(job)
  if (job.kind === 'open') return openLoop(job)
  if (job.kind === 'stream') return streamLines(job)
  return readLog(job)
}

function reply(message: Reply): void {
  process.send?.(message)
}

process.on('message', (job: Job) => {
  run(job).then(
    (outcome) => reply({ outcome }),
    (error: unknown) => reply({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})
// Without its parent there is nobody to load for; an interrupt is the parent's to answer.
process.on('disconnect', () => process.exit())
process.on('SIGINT', () => {})
