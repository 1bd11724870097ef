import { colours } from './io.ts'

export interface Progress {
  /** How many there are, as far as it is known. */
  readonly matched?: number
  readonly done: number
  readonly failed: number
}

const barWidth = 30

/** One line of a terminal that is written anew. */
export class TerminalLine {
  #shown = false

  progress(progress: Progress, state: string): void {
    // A terminal may say 0 of itself. Longer than it is, the text would wrap, and what wrapped could not be written anew.
    const text = progressText(progress, state).slice(0, (process.stdout.columns || 80) - 1)
    process.stdout.write(`\r\x1b[K${colours.cyan(text)}`)
    this.#shown = true
  }

  /** Takes the line away, for what comes after it. */
  end(): void {
    if (this.#shown) process.stdout.write('\r\x1b[K')
    this.#shown = false
  }
}

export function progressText({ matched, done, failed }: Progress, state: string): string {
  const finished = done + failed
  const share = matched === undefined || matched === 0 ? 0 : Math.min(1, finished / matched)
  const filled = Math.floor(share * barWidth)
  const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled)
  const counted = matched === undefined ? `${finished}` : `${Math.floor(share * 100)}% ${finished} of ${matched}`
  return `${bar} ${counted}${failed > 0 ? `, ${failed} failed` : ''}${state === 'running' ? '' : ` (${state})`}`
}
