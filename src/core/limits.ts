/** Every bound of the gateway, in milliseconds, bytes or counts (api.md, "Limits and defaults"). */
export interface Limits {
  /** One event, data and attributes together. */
  readonly event: number
  readonly batchEvents: number
  readonly batchBytes: number
  readonly line: number
  /** How long a request's body may stall. */
  readonly idle: number
  readonly depth: number
  readonly headerBytes: number
  readonly headerCount: number
  readonly delay: number
  readonly wait: number
  readonly lease: number
  readonly pull: number
  readonly list: number
  readonly settle: number
  readonly publishDeadline: number
  readonly shutdown: number
  /** What may wait for its broker, for each topic. */
  readonly queueBytes: number
  /** What all requests together may hold in memory. */
  readonly inFlightBytes: number
}

export const defaultLimits: Limits = {
  event: 1 << 20,
  batchEvents: 1000,
  batchBytes: 16 << 20,
  line: 1 << 20,
  idle: 30_000,
  depth: 64,
  headerBytes: 16 << 10,
  headerCount: 100,
  delay: 7 * 86_400_000,
  wait: 30_000,
  lease: 30_000,
  pull: 10,
  list: 100,
  settle: 1000,
  publishDeadline: 30_000,
  shutdown: 30_000,
  queueBytes: 16 << 20,
  inFlightBytes: 64 << 20,
}

/** The span that a lease may have. */
export const leaseRange = { min: 1000, max: 12 * 3_600_000 } as const

/** The most that a page of a list or a read may hold. */
export const pageMax = 1000
