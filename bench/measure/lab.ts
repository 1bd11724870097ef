import type { Job } from '../load/job.ts'
import { type JobProcess, startLoad } from '../load.ts'
import type { LabOptions } from '../options.ts'
import { Releases } from '../release.ts'
import { type Server, type ServerKind, type ServerOptions, startServer } from '../server.ts'
import { busySeconds } from '../usage.ts'
import { type Sample, Subject, type Task } from './subject.ts'

export type HttpSubject = Subject<Server, Task>

/** Whoever takes part in a comparison, and one round of it. */
export interface Entry {
  readonly kind: ServerKind
  readonly round: () => Promise<Sample>
}

export type Samples = ReadonlyMap<ServerKind, readonly Sample[]>

/** Between two rounds: what a server still does for the last one must not be charged to the next. */
const pauseMs = 150
/** With --calm: the cores that others may use in a round, how often a cycle is repeated, and how long it is waited for. */
const foreignMax = 0.25
const repeatsMax = 4
const calmWithinMs = 60_000

/** Starts servers and the load process, and runs rounds. */
export class Lab {
  readonly options: LabOptions
  readonly releases = new Releases()
  readonly #load: JobProcess<Job>

  constructor(options: LabOptions) {
    this.options = options
    this.releases.onInterrupt()
    this.#load = startLoad(this.releases)
  }

  progress(text: string): void {
    process.stderr.write(`${text}\n`)
  }

  get serverOptions(): ServerOptions {
    const { folder, token, profile } = this.options
    const nodeOptions = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
    return { dataIn: folder, token, nodeOptions }
  }

  /** `brokerCpu` gives the CPU seconds up to now of the processes that the server works with. */
  async start(kind: ServerKind, options: Partial<ServerOptions> = {}, brokerCpu?: () => number): Promise<HttpSubject> {
    const server = await startServer(kind, { ...this.serverOptions, ...options }, this.releases)
    const { token } = this.options
    return new Subject(server, {
      run: (task) => this.#load.run({ ...task, port: server.port, token }),
      ...(brokerCpu !== undefined && { brokerCpu }),
    })
  }

  /** The ceiling and the gateway in its two modes, warm; stopped when `use` is done. */
  async withServers<T>(warmUp: Task, use: (subjects: readonly HttpSubject[]) => Promise<T>): Promise<T> {
    const subjects: HttpSubject[] = []
    try {
      for (const kind of ['ceiling', 'memory', 'durable'] as const) subjects.push(await this.start(kind))
      for (const subject of subjects) if (warmUp.seconds > 0) await subject.run(warmUp)
      return await use(subjects)
    } finally {
      for (const subject of subjects) await subject.server.stop()
    }
  }

  /** With --calm: resolves when others leave the machine alone, or it took too long. */
  async whenCalm(): Promise<void> {
    const until = performance.now() + calmWithinMs
    while (this.options.calm && performance.now() < until) {
      const before = busySeconds()
      await pause(1000)
      const after = busySeconds()
      if (before === undefined || after === undefined || after - before < foreignMax / 2) return
    }
  }

  /**
   * Short rounds on one server after the other, each cycle beginning with another one: what disturbs the machine for a
   * while disturbs all of them, and the ratios within a cycle hold where absolute figures do not.
   */
  async interleave(label: string, entries: readonly Entry[]): Promise<Samples> {
    const samples = new Map<ServerKind, Sample[]>(entries.map(({ kind }) => [kind, []]))
    const { rounds, calm } = this.options
    for (let cycle = 0, disturbed = 0; cycle < rounds; ) {
      await this.whenCalm()
      const found = new Map<ServerKind, Sample>()
      for (let i = 0; i < entries.length; i++) {
        const { kind, round } = entries[(i + cycle + disturbed) % entries.length]!
        await pause(pauseMs)
        found.set(kind, await round())
      }
      const rates = [...found].map(([kind, { outcome }]) => `${kind} ${Math.round(outcome.events / outcome.seconds)}/s`)
      // Chosen by what others did, and not by the outcome: that would be choosing the figures.
      const foreign = Math.max(...[...found.values()].map(({ foreignCores = 0 }) => foreignCores))
      if (calm && foreign > foreignMax && disturbed < rounds * repeatsMax) {
        disturbed++
        this.progress(`${label} · disturbed by ${foreign.toFixed(2)} cores, again: ${rates.join(', ')}`)
        continue
      }
      for (const [kind, sample] of found) samples.get(kind)!.push(sample)
      cycle++
      this.progress(`${label} · cycle ${cycle} of ${rounds}: ${rates.join(', ')}`)
    }
    return samples
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
