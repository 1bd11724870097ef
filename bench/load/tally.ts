import { Latencies } from '../histogram.ts'
import type { Outcome } from './job.ts'

/** Counts what happens while a job runs. */
export class Tally {
  readonly latency = new Latencies()
  readonly lateness = new Latencies()
  readonly began = performance.now()
  readonly #cpu = process.cpuUsage()
  events = 0
  sent = 0
  answers = 0
  bytes = 0
  failures = 0
  #failure: string | undefined

  fail(reason: string): void {
    this.failures++
    this.#failure ??= reason
  }

  outcome(): Outcome {
    const seconds = (performance.now() - this.began) / 1000
    const { user, system } = process.cpuUsage(this.#cpu)
    const { events, sent, answers, bytes, failures } = this
    return {
      events,
      sent,
      answers,
      bytes,
      failures,
      failure: this.#failure,
      seconds,
      latency: this.latency.encode(),
      lateness: this.lateness.count === 0 ? undefined : this.lateness.encode(),
      cpuShare: (user + system) / 1e6 / seconds,
    }
  }
}
