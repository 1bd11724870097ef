import type { z } from 'zod'
import { strayBridges } from './bridges.ts'
import { strayHooks } from './hooks.ts'
import { type Interpolated, interpolate } from './interpolate.ts'
import { ConfigError, type Path } from './problems.ts'
import { type Config, type ConfiguredKey, configSchema, keysSchema, strayTopics } from './schema.ts'
import { readSource, type Source } from './source.ts'
import { type Checked, validate } from './validate.ts'

export interface LoadedConfig {
  readonly config: Config
  readonly source: Source
  /** Checks a part of the configuration against a schema that came later: an adapter's own keys. */
  check<T extends z.ZodType>(schema: T, value: unknown, path: Path): Checked<z.output<T>>
}

export interface LoadOptions {
  /** How messages call the file. */
  readonly shown?: string
  /** Adds to what the file holds, before it is checked. */
  readonly complete?: (value: unknown) => unknown
}

/**
 * Reads, fills in and checks a configuration file. Throws ConfigError that lists everything wrong with it, each with its
 * line and field.
 */
export async function loadConfig(
  path: string,
  environment: NodeJS.ProcessEnv,
  { shown = path, complete = (value) => value }: LoadOptions = {},
): Promise<LoadedConfig> {
  const source = await readSource(path, shown)
  return checkSource(source, interpolate(complete(source.value), source.directory, environment))
}

/** A configuration that no file has. */
export function builtInConfig(value: unknown, directory: string): LoadedConfig {
  const source: Source = { file: 'the built-in configuration', directory, value, place: () => undefined }
  return checkSource(source, { value, problems: [], fromEnvironment: new Set() })
}

function checkSource(source: Source, { value, problems, fromEnvironment }: Interpolated): LoadedConfig {
  const check: LoadedConfig['check'] = (schema, part, path) => validate(schema, part, path, source, fromEnvironment)
  const { data, problems: wrong } = check(configSchema, value, [])
  // A field that the environment left empty is wrong once, not twice.
  const missing = new Set(problems.map(({ path }) => JSON.stringify(path)))
  const all = [
    ...problems.map(({ path, detail }) => ({ path, detail, place: source.place(path) })),
    ...wrong.filter(({ path }) => !missing.has(JSON.stringify(path))),
    ...[...strayTopics(value), ...strayHooks(value), ...strayBridges(value)].map(({ path, detail }) => ({
      path,
      detail,
      place: source.place(path),
    })),
  ]
  if (data === undefined || all.length > 0) throw new ConfigError(source.file, all)
  return { config: data, source, check }
}

/** The keys of a configuration file alone, whatever else is wrong with it. Throws where they cannot be told. */
export async function loadKeys(path: string, environment: NodeJS.ProcessEnv): Promise<readonly ConfiguredKey[]> {
  const source = await readSource(path)
  const keys = (source.value as { keys?: unknown } | null)?.keys ?? []
  const { value, problems, fromEnvironment } = interpolate({ keys }, source.directory, environment)
  if (problems.length > 0) throw new ConfigError(source.file, problems)
  const filled = (value as { keys: unknown }).keys
  const checked = validate(keysSchema, filled, ['keys'], source, fromEnvironment)
  if (checked.data === undefined) throw new ConfigError(source.file, checked.problems)
  return checked.data
}
