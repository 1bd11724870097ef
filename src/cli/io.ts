import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { createColors } from 'picocolors'

const stdoutIsTerminal = process.stdout.isTTY === true

/** Colours where a person reads; NO_COLOR is obeyed. */
export const colours = createColors(stdoutIsTerminal && !process.env.NO_COLOR && process.env.TERM !== 'dumb')

export type Colours = typeof colours

export function wantsJson(options: { readonly json?: boolean }): boolean {
  return options.json === true || !stdoutIsTerminal
}

export function print(text: string): void {
  process.stdout.write(`${shown(text)}\n`)
}

// Some terminals obey the first as they obey an escape sequence, and the others turn around what follows them. JSON, which
// most of what comes from elsewhere is printed as, escapes neither.
const unsafe = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Whatever an event or an endpoint holds, a terminal shows it and does not obey it. Into a pipe it goes as it is. */
function shown(text: string): string {
  return stdoutIsTerminal ? escaped(text) : text
}

/** Those characters as JSON may write them. */
export function escaped(text: string): string {
  return text.replace(unsafe, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value))
}

/** Prints one of very many lines, not faster than they are read. */
export async function printPaced(text: string): Promise<void> {
  if (!process.stdout.write(`${shown(text)}\n`)) await once(process.stdout, 'drain')
}

/** Resolves once everything that was printed is out: ending the process would cut it off. */
export async function flushed(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.writableLength > 0) await new Promise((resolve) => stream.write('', resolve))
  }
}

/** For people, beside the output that a program reads. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Where the user stands. npm runs a package's scripts in the package's folder, and says by INIT_CWD where that was. */
export function userDirectory(): string {
  const { INIT_CWD } = process.env
  const here = process.cwd()
  return INIT_CWD !== undefined && INIT_CWD !== '' && here === packageDirectory() ? INIT_CWD : here
}

export function userPath(path: string): string {
  return resolve(userDirectory(), path)
}

export function packageDirectory(): string {
  let directory = import.meta.dirname
  while (!existsSync(join(directory, 'package.json')) && directory !== dirname(directory))
    directory = dirname(directory)
  return directory
}
