import { wrongUse } from './exit.ts'
import { textOf } from './files.ts'

/** What an option gives as JSON, or as `@file` that holds it. It may hold a secret, so it is not said again. */
export async function objectOf(flag: string, given: string, example: string): Promise<Record<string, unknown>> {
  const value = parse(given.startsWith('@') ? await textOf(given.slice(1)) : given)
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>
  throw wrongUse(`${flag} must be an object in JSON like '${example}', or @file that holds one.`)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
