import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Asset } from '../http/gateway.ts'

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
}

/** The build copies the files beside this one: those who install the package need not install theirs too. */
const directory = import.meta.url.endsWith('.ts')
  ? fileURLToPath(new URL('.', import.meta.resolve('swagger-ui-dist/package.json')))
  : join(import.meta.dirname, 'docs')

/** A file of the API page; nothing is fetched from elsewhere. */
export async function docsAsset(name: string): Promise<Asset | undefined> {
  const contentType = types[extname(name)]
  if (contentType === undefined || !/^[a-z0-9][a-z0-9.-]*$/.test(name)) return undefined
  try {
    return { contentType, body: await readFile(join(directory, name)) }
  } catch {
    return undefined
  }
}
