/** A record as whoever is no gateway sees it. Headers are in order, and may repeat. */
export interface PlainRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [name: string, value: string])[]
}

export function plainRecord(
  key: Buffer | string | null,
  value: Buffer | string | null,
  headers: Readonly<Record<string, string>> = {},
): PlainRecord {
  const bytes = (part: Buffer | string | null) => (typeof part === 'string' ? Buffer.from(part) : part)
  return { key: bytes(key), value: bytes(value), headers: Object.entries(headers) }
}
