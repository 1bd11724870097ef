/** Metrics in the Prometheus text format (version 0.0.4), cheap enough to be observed on every request. */
export interface Metric {
  /** Its lines, each with its line break. */
  render(): string
}

export const contentType = 'text/plain; version=0.0.4; charset=utf-8'

/** Between the values of one series; no label holds it, for they are names and codes. */
const separator = '\u0000'

function head(name: string, help: string, type: 'counter' | 'gauge' | 'histogram'): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
}

function labels(names: readonly string[], values: readonly string[]): string {
  return names.map((name, i) => `${name}="${escapeLabel(values[i] ?? '')}"`).join(',')
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`))
}

export class Counter implements Metric {
  readonly #head: string
  readonly #name: string
  readonly #labels: readonly string[]
  readonly #series = new Map<string, number>()

  constructor(name: string, help: string, labelNames: readonly string[]) {
    this.#head = head(name, help, 'counter')
    this.#name = name
    this.#labels = labelNames
  }

  add(amount: number, ...values: readonly string[]): void {
    const key = values.join(separator)
    this.#series.set(key, (this.#series.get(key) ?? 0) + amount)
  }

  render(): string {
    const lines = [...this.#series].map(([key, value]) => {
      return `${this.#name}{${labels(this.#labels, key.split(separator))}} ${value}\n`
    })
    return this.#head + lines.join('')
  }
}

/** A value that is looked up when it is asked for. */
export class Gauge implements Metric {
  readonly #head: string
  readonly #name: string
  readonly #labels: readonly string[]
  readonly #read: () => Iterable<readonly [value: number, ...labels: string[]]>

  constructor(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => Iterable<readonly [value: number, ...labels: string[]]>,
    type: 'gauge' | 'counter' = 'gauge',
  ) {
    this.#head = head(name, help, type)
    this.#name = name
    this.#labels = labelNames
    this.#read = read
  }

  render(): string {
    const lines = [...this.#read()].map(([value, ...values]) => {
      const where = values.length === 0 ? '' : `{${labels(this.#labels, values)}}`
      return `${this.#name}${where} ${value}\n`
    })
    return this.#head + lines.join('')
  }
}

export class Histogram implements Metric {
  readonly #head: string
  readonly #name: string
  readonly #labels: readonly string[]
  readonly #bounds: readonly number[]
  /** For each series: how many fell below each bound and above all of them, then the sum. */
  readonly #series = new Map<string, Float64Array>()

  constructor(name: string, help: string, labelNames: readonly string[], bounds: readonly number[]) {
    this.#head = head(name, help, 'histogram')
    this.#name = name
    this.#labels = labelNames
    this.#bounds = bounds
  }

  observe(value: number, ...values: readonly string[]): void {
    const key = values.join(separator)
    const bounds = this.#bounds
    let counts = this.#series.get(key)
    if (counts === undefined) {
      counts = new Float64Array(bounds.length + 2)
      this.#series.set(key, counts)
    }
    let i = 0
    while (i < bounds.length && value > bounds[i]!) i++
    counts[i]!++
    counts[bounds.length + 1]! += value
  }

  render(): string {
    const lines = [...this.#series].map(([key, counts]) => {
      const where = labels(this.#labels, key.split(separator))
      let total = 0
      const buckets = [...this.#bounds, '+Inf'].map((bound, i) => {
        total += counts[i]!
        return `${this.#name}_bucket{${where},le="${bound}"} ${total}\n`
      })
      const sum = counts[this.#bounds.length + 1]
      return `${buckets.join('')}${this.#name}_sum{${where}} ${sum}\n${this.#name}_count{${where}} ${total}\n`
    })
    return this.#head + lines.join('')
  }
}
