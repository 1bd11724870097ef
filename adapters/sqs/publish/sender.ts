import type { GatewayError } from '../../../src/core/index.ts'
import type { Encoded } from '../codec.ts'
import { AwsFailure, type FailedEntry, translateEntry } from '../errors.ts'

/** What a message needs to be sent. */
export interface Outgoing {
  readonly message: Encoded
  /** Only of FIFO queues and topics. */
  readonly fifo?: { readonly group: string; readonly dedup: string }
}

/** One batch request: ten messages at the most, which together are no larger than one may be. */
export interface Sender {
  /**
   * One outcome per message, in order: undefined is stored. Every entry of `Failed[]` is read. Rejects where the request
   * as a whole failed.
   */
  send(
    batch: readonly Outgoing[],
    delaySeconds: number,
    signal: AbortSignal,
  ): Promise<readonly (GatewayError | undefined)[]>
}

export const maxEntries = 10

interface Answer {
  readonly Successful?: readonly { readonly Id?: string | undefined }[] | undefined
  readonly Failed?: readonly FailedEntry[] | undefined
}

/** The outcomes of entries whose ids are their places. An entry that the answer forgot may be stored. */
export function outcomesOf({ Successful = [], Failed = [] }: Answer, count: number, action: string) {
  const outcomes = new Array<GatewayError | undefined>(count).fill(
    new AwsFailure('unavailable', `AWS said nothing of an entry of ${action}.`, true, undefined),
  )
  for (const { Id } of Successful) outcomes[Number(Id)] = undefined
  for (const entry of Failed) outcomes[Number(entry.Id)] = translateEntry(entry, action)
  return outcomes
}
