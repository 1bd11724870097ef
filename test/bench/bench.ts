import { execFile } from 'node:child_process'
import { resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '../..')

/** `npm run bench` with these words, to its end. */
export function bench(words: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const args = ['bench/main.ts', ...words]
    execFile(process.execPath, args, { cwd: root, maxBuffer: 1e8 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

export interface Result {
  readonly rows: readonly { server: string; setting: string; perSecond: number; failures: number }[]
  readonly counts: readonly { server: string; sent: number; acknowledged: number; stored: number; ok: boolean }[]
  readonly targets: readonly { what: string }[]
}

export const tiny = ['--rounds', '1', '--seconds', '0.1']
