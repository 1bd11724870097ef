import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Runs a program to its end and gives the bytes of its standard output; an Error with what it said where it fails. */
export async function execute(program: string, words: readonly string[], input?: string | Buffer): Promise<Buffer> {
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'] })
  const output: Buffer[] = []
  let complaint = ''
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = `${complaint}${text}`.slice(-4000)
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [code, signal] = await once(child, 'close')
  if (code === 0) return Buffer.concat(output)
  throw new Error(`${program} ${words.slice(-8).join(' ')} ended with ${code ?? signal}: ${complaint}`)
}
