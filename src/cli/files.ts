import { readFile } from 'node:fs/promises'
import { CliError, exitCode } from './exit.ts'
import { userPath } from './io.ts'

export async function textOf(file: string): Promise<string> {
  return readFile(userPath(file), 'utf8').catch(unreadable(file))
}

export function unreadable(file: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    throw new CliError(exitCode.failed, `${file} cannot be read (${error.code}).`)
  }
}

/** A secret that was given as it is, or as `@file`, which no list of processes and no history shows. */
export async function secretOf(given: string): Promise<string> {
  return given.startsWith('@') ? (await textOf(given.slice(1))).trim() : given
}
