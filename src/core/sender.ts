import type { AttemptResult } from './delivery.ts'
import type { Parcel } from './parcel.ts'
import type { Subscription } from './subscription.ts'
import type { TraceContext } from './trace-context.ts'

/** Makes attempts at endpoints. */
export interface Sender {
  /**
   * One signed POST, within the subscription's timeout. Never rejects: a failure is a result with `error` and `stage`. When
   * `signal` aborts it ends at once, with stage `gateway`. Success is any 2xx.
   */
  send(outgoing: Outgoing, signal: AbortSignal): Promise<AttemptResult>
  /**
   * Rejects with `invalid_argument` at `pointer` where the gateway would never call this address: it is no http or https
   * URL, has user information, or leads to a network that is not allowed. A name that does not resolve now passes.
   */
  check(url: string, pointer: string): Promise<void>
  /** Ends what runs and closes every connection. */
  close(): Promise<void>
}

export interface Outgoing {
  /** A snapshot: what the sender works out for it is kept as long as this very object is. */
  readonly subscription: Subscription
  /** The `webhook-id`. */
  readonly id: string
  /** 1 for the first, over all lineages. */
  readonly attempt: number
  /** The replay that it belongs to. */
  readonly replay?: string
  readonly parcel: Parcel
  /** The context of this attempt, where it is traced; where it is not, that of the event goes out as it is. */
  readonly trace?: TraceContext
}
