import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Path, Problem } from './problems.ts'

/** `${NAME}`, `${NAME:-default}`; a second dollar before it leaves it as it is. */
export const reference = /\$?\$\{[^{}\n]*\}/g
const name = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/

export interface Interpolated {
  readonly value: unknown
  readonly problems: readonly Problem[]
  /** Where the environment had a part, as `JSON.stringify(path)`: such a text may stand for a number. */
  readonly fromEnvironment: ReadonlySet<string>
}

/**
 * A copy of `value` with references to the environment replaced in every text, and with every `{ file: path }` replaced
 * by that file's content without its last line break. Paths are relative to `directory`.
 */
export function interpolate(value: unknown, directory: string, environment: NodeJS.ProcessEnv): Interpolated {
  const problems: Problem[] = []
  const fromEnvironment = new Set<string>()

  function visit(node: unknown, path: Path): unknown {
    if (typeof node === 'string') return text(node, path)
    if (Array.isArray(node)) return node.map((item, index) => visit(item, [...path, index]))
    if (node === null || typeof node !== 'object') return node
    const members = Object.entries(node).map(([member, inner]) => [member, visit(inner, [...path, member])] as const)
    const [first, second] = members
    if (path.length > 0 && second === undefined && first?.[0] === 'file' && typeof first[1] === 'string') {
      return content(first[1], path)
    }
    return Object.fromEntries(members)
  }

  function text(given: string, path: Path): string {
    return given.replace(reference, (whole) => {
      if (whole.startsWith('$$')) return whole.slice(1)
      const match = name.exec(whole.slice(2, -1))
      if (match === null) {
        problems.push({
          path,
          detail: `${whole} is no reference to the environment: write \${NAME} or \${NAME:-default}`,
        })
        return ''
      }
      fromEnvironment.add(JSON.stringify(path))
      const found = environment[match[1]!]
      const filled = found === undefined || (found === '' && match[2] !== undefined) ? match[2] : found
      if (filled === undefined) problems.push({ path, detail: `the environment has no ${match[1]}` })
      return filled ?? ''
    })
  }

  function content(file: string, path: Path): string {
    try {
      return readFileSync(resolve(directory, file), 'utf8').replace(/\r?\n$/, '')
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
      problems.push({ path, detail: `the file ${file} cannot be read (${reason})` })
      return ''
    }
  }

  return { value: visit(value, []), problems, fromEnvironment }
}
