import type { Outcome, Reply } from './job.ts'

/** Makes this process one that takes a job at a time from the process that started it; see JobProcess. */
export function answerJobs<J>(run: (job: J) => Promise<Outcome>): void {
  const reply = (message: Reply): void => {
    process.send?.(message)
  }
  process.on('message', (job: J) => {
    run(job).then(
      (outcome) => reply({ outcome }),
      (error: unknown) => reply({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    )
  })
  // Without its parent there is nobody to work for; an interrupt is the parent's to answer.
  process.on('disconnect', () => process.exit())
  process.on('SIGINT', () => {})
}
