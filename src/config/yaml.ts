import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import { reference } from './interpolate.ts'
import { ConfigError, type Path, type Place } from './problems.ts'

// References to the environment hold braces, which end a plain text inside of `{ … }`. So their characters are moved to
// a private plane while YAML looks at them, one for one: positions stay what they are.
const plane = 0xe000
const moved = /[\ue020-\ue07e]/g

function hide(text: string): string {
  return text.replace(reference, (whole) => {
    return whole.replace(/[\x20-\x7e]/g, (char) => String.fromCharCode(char.charCodeAt(0) + plane))
  })
}

function show(node: unknown): unknown {
  if (typeof node === 'string') return node.replace(moved, (char) => String.fromCharCode(char.charCodeAt(0) - plane))
  if (Array.isArray(node)) return node.map(show)
  if (node === null || typeof node !== 'object') return node
  return Object.fromEntries(Object.entries(node).map(([name, inner]) => [show(name), show(inner)]))
}

/** YAML 1.2, and so JSON too. Throws ConfigError with every fault of syntax. */
export function parseYaml(text: string, file: string): { value: unknown; place(path: Path): Place | undefined } {
  const lines = new LineCounter()
  const document = parseDocument(hide(text), { lineCounter: lines, prettyErrors: false, merge: true })
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ code, message, pos }) => ({
      path: [],
      detail: code === 'DUPLICATE_KEY' ? twice(text.slice(pos[0])) : message,
      place: at(pos[0]),
    }))
    throw new ConfigError(file, problems)
  }

  /** The place of the field's name; of what holds it, where the field is missing. */
  function place(path: Path): Place | undefined {
    for (let length = path.length; length > 0; length--) {
      const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true)
      const last = path[length - 1]
      if (isMap(parent)) {
        const pair = parent.items.find(({ key }) => nameOf(key) === String(last))
        if (isNode(pair?.key) && pair.key.range) return at(pair.key.range[0])
      }
      const node: unknown = document.getIn(path.slice(0, length), true)
      if (isNode(node) && node.range) return at(node.range[0])
    }
    return undefined
  }

  // An empty file is an empty configuration.
  return { value: show(document.toJS({ maxAliasCount: 100 }) ?? {}), place }
}

/** What is said of a name that stands at the beginning of `rest`, and has stood before. */
function twice(rest: string): string {
  const name = /^["']?([\w.-]+)/.exec(rest)?.[1] ?? 'a name'
  return `${name} is there twice: put what belongs to it in one place`
}

function nameOf(key: unknown): string {
  return String(isScalar(key) ? key.value : key)
}
