import type { Config } from '../../../adapters/kafka/index.ts'

/** What a worker is told to do. */
export interface WorkerTask {
  readonly config: Config
  readonly topic: string
  readonly group: string
  readonly seed: number
  readonly prefetch: number
  /** The longest that one event takes. */
  readonly handleMs: number
  /** Settles before it handles: what a consumer must not do. */
  readonly early: boolean
  /** Settles nothing of what it handled until it gets a message. */
  readonly held: boolean
}

/** What a worker prints, one a line. `at` is in microseconds of a clock that all processes share. */
export type WorkerReport = { readonly at: number } & (
  | { readonly event: 'joined' | 'closed' }
  | {
      readonly event: 'received'
      readonly position: string
      readonly token: string
      readonly key: string
      readonly epoch: number
    }
  | { readonly event: 'handled'; readonly position: string }
  | { readonly event: 'settled'; readonly position: string; readonly error?: string }
  /** The assignment is over: nothing of this epoch is this member's any more. */
  | { readonly event: 'revoked'; readonly epoch: number }
  | { readonly event: 'fault'; readonly error: string }
)

/** Monotonic, and the same in all processes of a machine. */
export function sharedClock(): number {
  return Number(process.hrtime.bigint() / 1000n)
}
