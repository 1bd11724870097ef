import { readFile } from 'node:fs/promises'
import { basename, dirname, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { GatewayError } from '../core/errors.ts'
import { ConfigError, type Path, type Place } from './problems.ts'

/** A configuration file as it was read, before anything in it is checked. */
export interface Source {
  /** As the user wrote it, for messages. */
  readonly file: string
  /** Relative paths in the configuration start here. */
  readonly directory: string
  readonly value: unknown
  /** Where a field stands; undefined where the file has no such places. */
  place(path: Path): Place | undefined
}

const modules = new Set(['.ts', '.mts', '.js', '.mjs'])
let imports = 0

/** Reads a configuration file. Throws ConfigError where it has no valid syntax, `misconfigured` where there is none. */
export async function readSource(path: string, shown = path): Promise<Source> {
  const file = shown
  const directory = dirname(resolve(path))
  const kind = extname(path)
  if (modules.has(kind)) return { file, directory, value: await readModule(path, shown), place: () => undefined }
  if (!['.yaml', '.yml', '.json'].includes(kind)) {
    throw new GatewayError('misconfigured', `${shown}: a configuration is a .yaml, .json or .ts file.`)
  }
  const text = await readText(path, shown)
  const { parseYaml } = await import('./yaml.ts')
  const { value, place } = parseYaml(text, shown)
  return { file, directory, value, place }
}

async function readText(path: string, shown: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw unreadable(shown, error)
  }
}

async function readModule(path: string, shown: string): Promise<unknown> {
  await readText(path, shown)
  try {
    // Node keeps a module for ever under its address, and the file is read again when it changes.
    const module: { default?: unknown } = await import(`${pathToFileURL(resolve(path)).href}?read=${imports++}`)
    if (module.default !== undefined) return module.default
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw new ConfigError(shown, [{ path: [], detail: `the module fails: ${detail}` }])
  }
  throw new ConfigError(shown, [{ path: [], detail: `${basename(path)} must export the configuration as its default` }])
}

function unreadable(shown: string, cause: unknown): GatewayError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
  const reason = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
  return new GatewayError('misconfigured', `${shown}: ${reason}.`, { cause })
}
