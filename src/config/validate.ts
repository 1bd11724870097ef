import { z } from 'zod'
import { didYouMean } from './near.ts'
import type { Path, Problem } from './problems.ts'
import type { Source } from './source.ts'

export interface Checked<T> {
  readonly data: T | undefined
  readonly problems: readonly Problem[]
}

/**
 * Checks `value`, which stands at `path` of the source. What the environment filled in is a text even where the schema
 * wants a number or a boolean, and is read as one there.
 */
export function validate<T extends z.ZodType>(
  schema: T,
  value: unknown,
  path: Path,
  source: Source,
  fromEnvironment: ReadonlySet<string>,
): Checked<z.output<T>> {
  let parsed = schema.safeParse(value, { error: explain })
  if (!parsed.success && fromEnvironment.size > 0) {
    let converted = value
    for (const issue of parsed.error.issues) {
      if (issue.code !== 'invalid_type' || !fromEnvironment.has(JSON.stringify([...path, ...issue.path]))) continue
      converted = convert(converted, issue.path, issue.expected)
    }
    if (converted !== value) parsed = schema.safeParse(converted, { error: explain })
  }
  if (parsed.success) return { data: parsed.data, problems: [] }
  return { data: undefined, problems: parsed.error.issues.flatMap((issue) => toProblems(issue, path, source)) }
}

function toProblems(issue: z.core.$ZodIssue, base: Path, source: Source): Problem[] {
  const path = [...base, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    // A line for each of them, where the schema has no text of its own.
    const lines = issue.message.split('\n')
    return issue.keys.map((key, i) => problem([...path, key], lines[i] ?? issue.message, source))
  }
  // Of several forms that a field may have, the one that came closest says what is wrong.
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const closest = issue.errors.toSorted((a, b) => depth(b) - depth(a))[0]!
    if (depth(closest) > 0) return closest.flatMap((inner) => toProblems(inner, path, source))
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.map((inner) => problem(path, inner.message, source))
  }
  return [problem(path, issue.message, source)]
}

/** How deep inside of the value an error lies; a field that nobody knows lies one deeper. */
function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map(({ code, path }) => path.length + (code === 'unrecognized_keys' ? 1 : 0)))
}

function problem(path: Path, detail: string, source: Source): Problem {
  return { path, detail, place: source.place(path) }
}

/** Texts that never repeat the value, which may be a secret. */
function explain(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') {
    return issue.input === undefined ? 'is required' : `must be ${article(String(issue.expected))}`
  }
  if (issue.code === 'unrecognized_keys') {
    const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : []
    return issue.keys.map((key) => `there is no such field${didYouMean(key, known)}`).join('\n')
  }
  if (issue.code === 'invalid_value') return `must be ${issue.values.map(String).join(' or ')}`
  return undefined
}

function article(type: string): string {
  if (type === 'record' || type === 'object') return 'a map of fields'
  if (type === 'array') return 'a list'
  if (type === 'boolean') return 'true or false'
  return type === 'int' ? 'a whole number' : `a ${type}`
}

function convert(value: unknown, path: readonly PropertyKey[], expected: string): unknown {
  const [head, ...rest] = path
  if (head !== undefined) {
    const copy = Array.isArray(value) ? [...value] : { ...(value as Record<PropertyKey, unknown>) }
    const members = copy as Record<PropertyKey, unknown>
    members[head] = convert(members[head], rest, expected)
    return copy
  }
  const text = String(value).trim()
  if ((expected === 'number' || expected === 'int') && text !== '' && Number.isFinite(Number(text))) return Number(text)
  if (expected === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return value
}
