import { resolve } from 'node:path'
import type { LoadedConfig } from '../config/load.ts'

/** Where the store of a configuration lies. */
export function storePath({ config, source }: LoadedConfig): string {
  return resolve(source.directory, config.store.path)
}
