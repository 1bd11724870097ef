import { randomBytes } from 'node:crypto'
import { link, open, readFile, rm } from 'node:fs/promises'
import { GatewayError } from '../../core/errors.ts'

/**
 * The key of a store that was given none: a text in a file beside it, which only its owner can read. Where `make`, it is
 * made where it is missing, and several processes that make it at once get the same.
 */
export async function keyFromFile(file: string, make: boolean): Promise<string> {
  try {
    if (make) await makeKey(file)
    const text = (await readFile(file, 'utf8')).trim()
    if (text !== '') return text
  } catch (error) {
    throw unusable(file, error)
  }
  throw unusable(file, undefined)
}

/** Complete before it has its name. */
async function makeKey(file: string): Promise<void> {
  if (await readFile(file).then(() => true, isThere)) return
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  try {
    const handle = await open(draft, 'wx', 0o600)
    await handle.writeFile(randomBytes(32).toString('base64'))
    await handle.sync()
    await handle.close()
    await link(draft, file).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  } finally {
    await rm(draft, { force: true })
  }
}

/** What cannot be read may still be there, and is told by whoever reads it next. */
function isThere(error: unknown): boolean {
  return codeOf(error) !== 'ENOENT'
}

function unusable(file: string, cause: unknown): GatewayError {
  const reason = cause === undefined ? 'it is empty' : codeOf(cause)
  return new GatewayError(
    'misconfigured',
    `The key of the store's secrets, ${file}, cannot be used (${reason}): put it back, or give its text as encryptionKey.`,
    { cause },
  )
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}
