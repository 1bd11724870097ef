/** Token buckets that all replicas share. */
export interface Rates {
  /**
   * Takes up to `wanted` tokens of the bucket `name`, which fills by `perSecond` and holds a second's worth. Answers how many
   * it got; where that is none, when to ask again.
   */
  take(name: string, wanted: number, perSecond: number, now: number): Promise<{ granted: number; retryAfterMs: number }>
}
