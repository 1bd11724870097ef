import { setTimeout as sleep } from 'node:timers/promises'
import { Refused } from './client.ts'
import { CliError, exitCode } from './exit.ts'

/** Trying again begins soon and slows down. */
const waits = [100, 250, 500, 1000, 2000, 5000]

/** The wait before the next try, after so many that failed in a row. Rejects when the signal aborts. */
export function pause(failures: number, signal: AbortSignal): Promise<void> {
  return sleep(waits[Math.min(failures, waits.length) - 1], undefined, { signal })
}

/** Repeats requests while the gateway is away, and says once when it goes and when it is back. */
export class Patience {
  readonly #say: (text: string) => void
  #away = false

  constructor(say: (text: string) => void) {
    this.#say = say
  }

  get away(): boolean {
    return this.#away
  }

  /** Rejects with what no patience helps against, and as soon as the signal aborts. */
  async keep<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        const answer = await attempt()
        if (this.#away) this.#say('The gateway is back.')
        this.#away = false
        return answer
      } catch (error) {
        if (signal.aborted || !passes(error)) throw error
        if (!this.#away) this.#say(`${reason(error)} Trying again.`)
        this.#away = true
        await pause(failures, signal)
      }
    }
  }
}

/** Whether the same request may succeed when it is made again. */
function passes(error: unknown): boolean {
  return error instanceof Refused ? error.retryable : error instanceof CliError && error.code === exitCode.unreachable
}

function reason(error: unknown): string {
  return error instanceof Refused ? error.message : 'The gateway is away.'
}
