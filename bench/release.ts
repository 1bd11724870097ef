import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'

type Release = () => Promise<void> | void

/** What must be stopped or removed, however the run ends; the last one that was added goes first. */
export class Releases {
  readonly #releases: Release[] = []

  add(release: Release): Release {
    this.#releases.push(release)
    return async () => {
      const at = this.#releases.indexOf(release)
      if (at < 0) return
      this.#releases.splice(at, 1)
      await release()
    }
  }

  async all(): Promise<void> {
    for (let release = this.#releases.pop(); release !== undefined; release = this.#releases.pop()) {
      try {
        await release()
      } catch (error) {
        process.stderr.write(`${String(error)}\n`)
      }
    }
  }

  /** An interrupt ends what was started before it ends this process. */
  onInterrupt(): void {
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      process.once(signal, () => void this.all().finally(() => process.exit(code)))
    }
  }

  /** A folder that is gone after the run. */
  folder(parent: string): { path: string; remove: Release } {
    const path = mkdtempSync(join(parent, 'sluice-bench-'))
    return { path, remove: this.add(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 })) }
  }
}
