const pattern = /^(0|[1-9]\d{0,5})-(0|[1-9]\d{0,15})$/

/** An event's place: `<partition>-<offset>`. */
export function writePosition(partition: number, offset: number): string {
  return `${partition}-${offset}`
}

export function readPosition(position: string): { partition: number; offset: number } | undefined {
  const match = pattern.exec(position)
  return match === null ? undefined : { partition: Number(match[1]), offset: Number(match[2]) }
}
