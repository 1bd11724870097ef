import type { Job, Outcome } from '../load/job.ts'
import type { ServerKind } from '../server.ts'
import { busySeconds, type Usage } from '../usage.ts'

/** One round on one server. */
export interface Sample {
  readonly outcome: Outcome
  readonly cpuSeconds: number
  /** Of the processes that the server works with; undefined where there are none. */
  readonly brokerCpuSeconds: number | undefined
  /** Cores that processes outside this measurement used meanwhile; undefined where the system does not say. */
  readonly foreignCores: number | undefined
  readonly rssMB: number
  readonly peakMB: number | undefined
}

type JobDetail<J> = J extends Job ? Omit<J, 'port' | 'token'> : never

/** A job without the server that it is for. */
export type Task = JobDetail<Job>

/** Whose work is measured: a server, or a client that is its own load. */
export interface Contender {
  readonly kind: ServerKind
  usage(): Usage
  stop(): Promise<void>
}

interface Surroundings<T> {
  readonly run: (task: T) => Promise<Outcome>
  /** Whether `run` is work of the measured process itself. */
  readonly own?: boolean
  /** CPU seconds up to now of the processes that the server works with. */
  readonly brokerCpu?: () => number
}

const reading: ReadonlySet<string> = new Set(['read', 'consume', 'pull', 'slow'])

/** A server under load, and what it acknowledged so far. */
export class Subject<S extends Contender, T extends { readonly kind: string }> {
  readonly server: S
  readonly #around: Surroundings<T>
  acknowledged = 0
  sent = 0

  constructor(server: S, around: Surroundings<T>) {
    this.server = server
    this.#around = around
  }

  get kind(): ServerKind {
    return this.server.kind
  }

  async run(task: T): Promise<Sample> {
    const { brokerCpu, own = false } = this.#around
    const before = this.server.usage()
    const brokerBefore = brokerCpu?.() ?? 0
    const busyBefore = busySeconds()
    const began = performance.now()
    const outcome = await this.#around.run(task)
    const after = this.server.usage()
    const brokerCpuSeconds = (brokerCpu?.() ?? 0) - brokerBefore
    const busyAfter = busySeconds()
    const seconds = (performance.now() - began) / 1000
    const cpuSeconds = after.cpuSeconds - before.cpuSeconds
    const ours = cpuSeconds + brokerCpuSeconds + (own ? 0 : outcome.cpuShare * outcome.seconds)
    if (!reading.has(task.kind)) {
      this.acknowledged += outcome.events
      this.sent += outcome.sent
    }
    return {
      outcome,
      cpuSeconds,
      brokerCpuSeconds: brokerCpu && brokerCpuSeconds,
      foreignCores:
        busyBefore === undefined || busyAfter === undefined
          ? undefined
          : Math.max(0, (busyAfter - busyBefore - ours) / seconds),
      rssMB: after.rssMB,
      peakMB: after.peakMB,
    }
  }
}
