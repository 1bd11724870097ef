import { spawn } from 'node:child_process'

/** Runs a program to its end and gives what it printed; an Error with the end of it where it fails. */
export function run(program: string, words: readonly string[], cwd?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const keep = (text: string): void => {
      output = `${output}${text}`.slice(-16_000)
    }
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output)
      else reject(new Error(`${program} ${words[0] ?? ''} ended with ${code ?? signal}: ${output.slice(-4000)}`))
    })
  })
}
