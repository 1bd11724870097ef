import { type ChildProcess, fork } from 'node:child_process'
import type { Job, Outcome, Reply } from './load/job.ts'
import type { Releases } from './release.ts'
import { type Usage, usageOf } from './usage.ts'

/** Beyond its own time a job may wait for answers that are under way. */
const graceMs = 60_000

/** Works on one job at a time in a process of its own: it must not take time from who measures, nor be slowed by it. */
export class JobProcess<J extends { readonly seconds: number }> {
  readonly #child: ChildProcess
  readonly #stop: () => Promise<void> | void

  constructor(script: URL, releases: Releases) {
    this.#child = fork(script, {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const exited = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    this.#stop = releases.add(async () => {
      this.#child.kill()
      await exited
    })
  }

  usage(): Usage {
    return usageOf(this.#child.pid!)
  }

  async stop(): Promise<void> {
    await this.#stop()
  }

  run(job: J): Promise<Outcome> {
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

/** The load generator. */
export function startLoad(releases: Releases): JobProcess<Job> {
  return new JobProcess(new URL('./load/main.ts', import.meta.url), releases)
}
