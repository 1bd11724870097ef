import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js'

const maxMicros = 600_000_000

/** Latencies in microseconds with three digits, in constant memory. */
export class Latencies {
  readonly #histogram: Histogram

  constructor(
    histogram = build({
      bitBucketSize: 32,
      lowestDiscernibleValue: 1,
      highestTrackableValue: maxMicros,
      numberOfSignificantValueDigits: 3,
      useWebAssembly: false,
    }),
  ) {
    this.#histogram = histogram
  }

  static decode(text: string): Latencies {
    return new Latencies(decodeFromCompressedBase64(text, 32, false))
  }

  static merge(texts: readonly string[]): Latencies {
    const merged = new Latencies()
    for (const text of texts) merged.#histogram.add(Latencies.decode(text).#histogram)
    return merged
  }

  recordMs(ms: number): void {
    this.#histogram.recordValue(Math.min(maxMicros, Math.max(1, Math.round(ms * 1000))))
  }

  get count(): number {
    return this.#histogram.totalCount
  }

  percentileMs(percentile: number): number {
    return this.#histogram.getValueAtPercentile(percentile) / 1000
  }

  encode(): string {
    return encodeIntoCompressedBase64(this.#histogram)
  }
}
