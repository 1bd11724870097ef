const units: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

const pattern = /^(\d{1,15}(?:\.\d{1,6})?) ?([KMGT]i?B|B)?$/

/** Bytes from `16MiB`, `1GB`, `1.5GiB` or a plain number; undefined where the text is no size in whole bytes. */
export function parseSize(text: string): number | undefined {
  const match = pattern.exec(text)
  if (match === null) return undefined
  const bytes = Number(match[1]) * units[match[2] ?? 'B']!
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** The shortest exact way to write so many bytes, in binary units. */
export function formatSize(bytes: number): string | number {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    if (bytes > 0 && bytes % units[unit]! === 0) return `${bytes / units[unit]!}${unit}`
  }
  return bytes
}
