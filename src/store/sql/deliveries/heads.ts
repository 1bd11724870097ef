import { change, chunks, type Query, repeated } from '../query.ts'

/** Subscriptions and keys. */
export class KeyPairs {
  readonly #pairs = new Map<string, readonly [string, string]>()

  add(subscription: string, key: string): void {
    this.#pairs.set(JSON.stringify([subscription, key]), [subscription, key])
  }

  entries(): readonly (readonly [string, string])[] {
    return [...this.#pairs].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, pair]) => pair)
  }
}

/**
 * After rows of these keys began or ceased to be pending: the oldest pending row of each can be claimed, and no other. The
 * caller holds the subscriptions locked.
 */
export function* settleHeads(pairs: KeyPairs): Query<void> {
  for (const chunk of chunks(pairs.entries())) {
    const values = repeated('(CAST(? AS TEXT), CAST(? AS TEXT))', chunk.length)
    yield* change(
      `WITH v (subscription, key) AS (VALUES ${values}),
         heads (subscription, key, seq) AS (SELECT v.subscription, v.key, ${oldest} FROM v)
       UPDATE deliveries SET due = NULL FROM heads
       WHERE deliveries.subscription = heads.subscription AND deliveries.key = heads.key
         AND deliveries.due IS NOT NULL AND deliveries.seq > heads.seq`,
      ...chunk.flat(),
    )
    yield* change(
      `WITH v (subscription, key) AS (VALUES ${values}), heads (seq) AS (SELECT ${oldest} FROM v)
       UPDATE deliveries SET due = at WHERE seq IN (SELECT seq FROM heads) AND due IS NULL`,
      ...chunk.flat(),
    )
  }
}

const oldest = `(SELECT d.seq FROM deliveries d WHERE d.subscription = v.subscription AND d.key = v.key
  AND d.at IS NOT NULL ORDER BY d.seq LIMIT 1)`
