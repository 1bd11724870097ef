import { type ChildProcess, fork } from 'node:child_process'
import type { Job, Outcome, Reply } from './load/job.ts'
import type { Releases } from './release.ts'

/** Beyond its own time a job may wait for answers that are under way. */
const graceMs = 60_000

/** The load generator, a process of its own: it must not take time from who measures, nor be slowed by it. */
export class Load {
  readonly #child: ChildProcess

  constructor(releases: Releases) {
    this.#child = fork(new URL('./load/main.ts', import.meta.url), {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const exited = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    releases.add(async () => {
      this.#child.kill()
      await exited
    })
  }

  run(job: Job): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(late)
        this.#child.off('message', onReply).off('exit', onExit)
        act()
      }
      const onReply = (reply: Reply): void =>
        settle(() => ('error' in reply ? reject(new Error(reply.error)) : resolve(reply.outcome)))
      const onExit = (): void => settle(() => reject(new Error('The load process ended.')))
      const onLate = (): void => settle(() => reject(new Error(`Answers are missing: ${JSON.stringify(job)}`)))
      const late = setTimeout(onLate, job.seconds * 1000 + graceMs)
      this.#child.on('message', onReply).on('exit', onExit)
      this.#child.send(job)
    })
  }
}
