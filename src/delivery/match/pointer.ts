import type { DataValue } from '../../core/filter.ts'

const index = /^(0|[1-9][0-9]*)$/
const badEscape = /~(?![01])/

/** A JSON Pointer (RFC 6901) that is taken apart once. One that is malformed leads nowhere. */
export class Pointer {
  readonly #tokens: readonly string[] | undefined

  constructor(text: string) {
    if (text === '') this.#tokens = []
    else if (text.startsWith('/') && !badEscape.test(text)) {
      this.#tokens = text
        .slice(1)
        .split('/')
        .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
    }
  }

  /** The value in `document` that it leads to; undefined where there is none, or it is an object or an array. */
  find(document: unknown): DataValue | undefined {
    if (this.#tokens === undefined) return undefined
    let place = document
    for (const token of this.#tokens) {
      if (typeof place !== 'object' || place === null) return undefined
      // `length` is an own property too.
      if (Array.isArray(place) && !index.test(token)) return undefined
      // Own properties only: every object inherits a `constructor`.
      if (!Object.hasOwn(place, token)) return undefined
      place = (place as Record<string, unknown>)[token]
    }
    return isScalar(place) ? place : undefined
  }
}

function isScalar(value: unknown): value is DataValue {
  return value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
