/** What the load process is asked to do. */
export type Job = (
  | { readonly kind: 'closed'; readonly form: 'event' }
  | { readonly kind: 'closed'; readonly form: 'batch'; readonly size: number }
  | { readonly kind: 'open'; readonly ratePerSecond: number }
  | { readonly kind: 'stream' }
  | { readonly kind: 'read'; readonly path: string }
  | { readonly kind: 'pull'; readonly path: string; readonly max: number; readonly events: number }
  | { readonly kind: 'slow'; readonly path: string; readonly bytesPerSecond: number }
) & {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  /** Sent with every request; undefined where the gateway has no keys. */
  readonly token: string | undefined
}

/** What came of it. */
export interface Outcome {
  /** Events that were acknowledged, or read. */
  readonly events: number
  /** Events that were sent; what is not acknowledged of them may be stored or not. */
  readonly sent: number
  readonly answers: number
  /** Answers that were no 2xx, receipts that say so, and connections that broke. */
  readonly failures: number
  /** The first of them, in words. */
  readonly failure: string | undefined
  /** From the first byte sent to the last answer. */
  readonly seconds: number
  /** Microseconds from being due to the whole answer, as a compressed histogram. */
  readonly latency: string
  /** Open loop: microseconds from being due to being written. */
  readonly lateness: string | undefined
  /** Bytes of the answers' bodies. */
  readonly bytes: number
  /** Of one core, while the job ran. */
  readonly cpuShare: number
}

export type Reply = { readonly outcome: Outcome } | { readonly error: string }

export const eventBytes = 1024
/** What `publish` sends in a batch, and the ceiling answers to one. */
export const batchEvents = 100
