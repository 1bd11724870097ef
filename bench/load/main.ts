// The load process: takes one job at a time from the process that started it, and answers what came of it.
import { answerJobs } from './answer.ts'
import { closedLoop } from './closed.ts'
import type { Job, Outcome } from './job.ts'
import { openLoop } from './open.ts'
import { pullAll } from './pull.ts'
import { readLog } from './read.ts'
import { readSlowly } from './slow.ts'
import { streamLines } from './stream.ts'

function run(job: Job): Promise<Outcome> {
  if (job.kind === 'closed') return closedLoop(job)
  if (job.kind === 'open') return openLoop(job)
  if (job.kind === 'stream') return streamLines(job)
  if (job.kind === 'pull') return pullAll(job)
  if (job.kind === 'slow') return readSlowly(job)
  return readLog(job)
}

answerJobs(run)
