import { GatewayError } from '../core/errors.ts'

export type Path = readonly PropertyKey[]

export interface Place {
  readonly line: number
  readonly column: number
}

/** One thing that is wrong with a configuration. */
export interface Problem {
  readonly path: Path
  readonly detail: string
  readonly place?: Place | undefined
}

/** Everything that is wrong with a configuration, a line each: `sluice.yaml:3:5: topics.orders.broker: …`. */
export class ConfigError extends GatewayError {
  override readonly name = 'ConfigError'
  readonly file: string
  readonly problems: readonly Problem[]

  constructor(file: string, problems: readonly Problem[]) {
    const sorted = problems.toSorted((a, b) => offset(a) - offset(b))
    super('misconfigured', sorted.map((problem) => line(file, problem)).join('\n'), {
      errors: sorted.map(({ path, detail }) => ({ pointer: `/${path.map(String).join('/')}`, detail })),
    })
    this.file = file
    this.problems = sorted
  }
}

function offset({ place }: Problem): number {
  return place === undefined ? 0 : place.line * 1e6 + place.column
}

function line(file: string, { path, detail, place }: Problem): string {
  const at = place === undefined ? file : `${file}:${place.line}:${place.column}`
  return path.length === 0 ? `${at}: ${detail}` : `${at}: ${fieldName(path)}: ${detail}`
}

/** `topics.orders.ensure`; a part that holds a dot itself is put in brackets. */
function fieldName(path: Path): string {
  return path.reduce<string>((name, part) => {
    if (typeof part === 'number') return `${name}[${part}]`
    const text = String(part)
    if (/^[\w-]+$/.test(text)) return name === '' ? text : `${name}.${text}`
    return `${name}[${JSON.stringify(text)}]`
  }, '')
}
