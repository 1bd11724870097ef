import type { Job, Outcome } from '../load/job.ts'
import type { Load } from '../load.ts'
import type { Server, ServerKind } from '../server.ts'
import { busySeconds } from '../usage.ts'

/** One round on one server. */
export interface Sample {
  readonly outcome: Outcome
  readonly cpuSeconds: number
  /** Cores that processes outside this measurement used meanwhile; undefined where the system does not say. */
  readonly foreignCores: number | undefined
  readonly rssMB: number
  readonly peakMB: number | undefined
}

type JobDetail<J> = J extends Job ? Omit<J, 'port' | 'token'> : never

/** A job without the server that it is for. */
export type Task = JobDetail<Job>

/** A server under load, and what it acknowledged so far. */
export class Subject {
  readonly server: Server
  readonly #load: Load
  readonly #token: string | undefined
  acknowledged = 0
  sent = 0

  constructor(server: Server, load: Load, token: string | undefined) {
    this.server = server
    this.#load = load
    this.#token = token
  }

  get kind(): ServerKind {
    return this.server.kind
  }

  async run(task: Task): Promise<Sample> {
    const before = this.server.usage()
    const busyBefore = busySeconds()
    const began = performance.now()
    const outcome = await this.#load.run({ ...task, port: this.server.port, token: this.#token })
    const after = this.server.usage()
    const busyAfter = busySeconds()
    const seconds = (performance.now() - began) / 1000
    const cpuSeconds = after.cpuSeconds - before.cpuSeconds
    const ours = cpuSeconds + outcome.cpuShare * outcome.seconds
    if (task.kind !== 'read') {
      this.acknowledged += outcome.events
      this.sent += outcome.sent
    }
    return {
      outcome,
      cpuSeconds,
      foreignCores:
        busyBefore === undefined || busyAfter === undefined
          ? undefined
          : Math.max(0, (busyAfter - busyBefore - ours) / seconds),
      rssMB: after.rssMB,
      peakMB: after.peakMB,
    }
  }
}
