/** How long an entry is kept after its last change (api.md, "Idempotency-Key"). */
export const retentionMs = 24 * 3_600_000
