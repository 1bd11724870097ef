import type { GatewayError } from '../../../src/core/errors.ts'
import type { Input, Op, Output, ReadInput, ReadOp, ReadOutput } from '../engine/operations.ts'

/** The way from the broker's side to its engine, which is in this thread or in another one. */
export interface Link {
  /** Resolves when what was asked is done and durable. Calls are done in their order. Gives `transfer` away. */
  call<K extends Op>(op: K, input: Input<K>, transfer?: ArrayBuffer): Promise<Output<K>>
  /** Sees everything whose call resolved before. */
  read<K extends ReadOp>(op: K, input: ReadInput<K>): Promise<ReadOutput<K>>
  /** Why it does not work as it should: stored data was found damaged, a thread has died. */
  readonly fault: GatewayError | undefined
  /** Called when topics got events that nobody published just now: delayed ones that became due. */
  onAppended: (topics: readonly number[]) => void
  /** Milliseconds since the epoch, as the engine sees them. */
  now(): number
  /** Lets every call settle, then releases everything. */
  close(): Promise<void>
}
