import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageDirectory } from './io.ts'

export async function packageVersion(): Promise<string> {
  const manifest = JSON.parse(await readFile(join(packageDirectory(), 'package.json'), 'utf8')) as { version: string }
  return manifest.version
}
