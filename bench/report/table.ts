/** Columns that line up: the first ones are text, the others figures. */
export function table(head: readonly string[], body: readonly (readonly string[])[], textColumns: number): string {
  const widths = head.map((name, column) => Math.max(name.length, ...body.map((cells) => cells[column]!.length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column < textColumns ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd()
  return [line(head), ...body.map(line)].join('\n')
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** Three digits, or as many as there are before the point. */
export function figure(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–'
  if (Math.abs(value) >= 100) return count(value)
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}
