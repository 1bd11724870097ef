import { Load } from '../load.ts'
import type { Options } from '../options.ts'
import { Releases } from '../release.ts'
import { type ServerKind, type ServerOptions, startServer } from '../server.ts'
import { type Sample, Subject, type Task } from './subject.ts'

export type Samples = ReadonlyMap<ServerKind, readonly Sample[]>

/** Between two rounds: what a server still does for the last one must not be charged to the next. */
const pauseMs = 150

/** Starts servers and the load process, and runs rounds. */
export class Lab {
  readonly options: Options
  readonly releases = new Releases()
  readonly #load: Load

  constructor(options: Options) {
    this.options = options
    this.releases.onInterrupt()
    this.#load = new Load(this.releases)
  }

  progress(text: string): void {
    process.stderr.write(`${text}\n`)
  }

  get serverOptions(): ServerOptions {
    const { folder, token, profile } = this.options
    const nodeOptions = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
    return { dataIn: folder, token, nodeOptions }
  }

  async start(kind: ServerKind, options: Partial<ServerOptions> = {}): Promise<Subject> {
    const server = await startServer(kind, { ...this.serverOptions, ...options }, this.releases)
    return new Subject(server, this.#load, this.options.token)
  }

  /** The ceiling and the gateway in its two modes, warm; stopped when `use` is done. */
  async withServers<T>(warmUp: Task, use: (subjects: readonly Subject[]) => Promise<T>): Promise<T> {
    const subjects: Subject[] = []
    try {
      for (const kind of ['ceiling', 'memory', 'durable'] as const) subjects.push(await this.start(kind))
      for (const subject of subjects) if (warmUp.seconds > 0) await subject.run(warmUp)
      return await use(subjects)
    } finally {
      for (const subject of subjects) await subject.server.stop()
    }
  }

  /**
   * Short rounds on one server after the other, each cycle beginning with another one: what disturbs the machine for a
   * while disturbs all of them, and the ratios within a cycle hold where absolute figures do not.
   */
  async interleave(
    label: string,
    subjects: readonly Subject[],
    task: (subject: Subject) => Task,
    correct: (sample: Sample, subject: Subject) => Sample = (sample) => sample,
  ): Promise<Samples> {
    const samples = new Map<ServerKind, Sample[]>(subjects.map(({ kind }) => [kind, []]))
    for (let cycle = 0; cycle < this.options.rounds; cycle++) {
      const said: string[] = []
      for (let i = 0; i < subjects.length; i++) {
        const subject = subjects[(i + cycle) % subjects.length]!
        await pause()
        const sample = correct(await subject.run(task(subject)), subject)
        samples.get(subject.kind)!.push(sample)
        said.push(`${subject.kind} ${Math.round(sample.outcome.events / sample.outcome.seconds)}/s`)
      }
      this.progress(`${label} · cycle ${cycle + 1} of ${this.options.rounds}: ${said.join(', ')}`)
    }
    return samples
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pauseMs))
}
