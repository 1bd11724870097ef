import type { Operation } from '../store/operations.ts'
import type { Shared } from './shared.ts'

/** What one step of an operation needs to know, and how it says that it is not to go on. */
export interface Work {
  readonly shared: Shared
  readonly operation: Operation
  /** False where the operation was paused, cancelled or taken over, or the gateway stops: asked before every step. */
  mayGoOn(): Promise<boolean>
  readonly signal: AbortSignal
  /** Rows of its subscription are due now. */
  due(): void
}
