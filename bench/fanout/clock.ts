/** Microseconds of the monotonic clock, which all processes of a machine share. */
export function micros(): number {
  return Math.round(Number(process.hrtime.bigint() / 1000n))
}

const name = '"stamp":"'
const digits = 16

/** A member of JSON data in which the time is written. */
export const stampMember = `${name}${'0'.repeat(digits)}"`

/** Where the digits are. */
export function stampPlace(text: string): number {
  return text.indexOf(name) + name.length
}

export function writeStamp(into: Buffer, at: number, time: number): void {
  into.write(String(time).padStart(digits, '0'), at, 'latin1')
}

export function readStamp(bytes: Buffer, from: number, to: number): number | undefined {
  const at = bytes.indexOf(name, from, 'latin1')
  if (at < 0 || at > to) return undefined
  return Number(bytes.toString('latin1', at + name.length, at + name.length + digits))
}
