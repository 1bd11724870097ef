import { dataForm, type Event } from '../../core/event.ts'
import type { DataValue } from '../../core/filter.ts'
import type { Pointer } from './pointer.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** An event as filters see it. Its data is read at most once, and not before a filter asks for it. */
export class View {
  /** Of its attributes. */
  readonly names: readonly string[]
  readonly #event: Event
  #read = false
  /** Undefined where there is no data or it is no JSON: JSON itself knows no such value. */
  #data: unknown

  constructor(event: Event) {
    this.#event = event
    this.names = Object.keys(event.attributes)
  }

  /** An attribute in the canonical string form of its type (CloudEvents 1.0.2, "Type System"); undefined where absent. */
  text(name: string): string | undefined {
    const { attributes } = this.#event
    if (!Object.hasOwn(attributes, name)) return undefined
    const value = attributes[name]
    return value === undefined ? undefined : String(value)
  }

  /** The value that `pointer` leads to in JSON data; undefined where there is none, or it is an object or an array. */
  value(pointer: Pointer): DataValue | undefined {
    if (!this.#read) {
      this.#read = true
      this.#data = parse(this.#event)
    }
    return pointer.find(this.#data)
  }
}

/** What does not read as JSON (`dataForm`) is no JSON for filters either, whatever it calls itself. */
function parse(event: Event): unknown {
  if (event.data === undefined) return undefined
  const form = dataForm(event)
  if (form !== 'json' && form !== 'json-spaced') return undefined
  try {
    return JSON.parse(decoder.decode(event.data))
  } catch {
    return undefined
  }
}
