import { needKcat } from '../services/tool.ts'
import { execute } from './execute.ts'
import type { PlainRecord } from './record.ts'

/** In front of each record: the lengths of its key and value, -1 where null. Header values are without commas. */
const format = '%K %S\\n%k%s%h\\n'

/** Everything that kcat prints of a topic with one partition. */
export async function consumeByKcat(bootstrap: readonly string[], topic: string): Promise<PlainRecord[]> {
  const words = ['-C', '-q', '-e', '-o', 'beginning', '-b', bootstrap.join(), '-t', topic, '-f', format]
  const output = await execute(await needKcat(), words)
  const records: PlainRecord[] = []
  let at = 0
  const upTo = (end: number): Buffer => {
    const part = output.subarray(at, end)
    at = end
    return part
  }
  const line = (): string => {
    const text = upTo(output.indexOf('\n', at)).toString()
    at++
    return text
  }
  const bytes = (length: number): Buffer | null => (length < 0 ? null : upTo(at + length))
  while (at < output.length) {
    const [keyLength, valueLength] = line().split(' ').map(Number)
    const [key, value] = [bytes(keyLength!), bytes(valueLength!)]
    const pairs = line().split(',').filter(Boolean)
    const headers = pairs.map((pair): [string, string] => {
      const equals = pair.indexOf('=')
      return [pair.slice(0, equals), pair.slice(equals + 1)]
    })
    records.push({ key, value, headers })
  }
  return records
}

/** Bytes that no key or value of a test contains. */
const marks = { key: '<~k~>', end: '<~e~>' }

/** Writes records that have the same headers. */
export async function produceByKcat(
  bootstrap: readonly string[],
  topic: string,
  records: readonly Omit<PlainRecord, 'headers'>[],
  headers: Readonly<Record<string, string>> = {},
  compression = 'none',
): Promise<void> {
  const words = ['-P', '-b', bootstrap.join(), '-t', topic, '-z', compression, '-Z', '-K', marks.key, '-D', marks.end]
  for (const [name, value] of Object.entries(headers)) words.push('-H', `${name}=${value}`)
  const none = Buffer.alloc(0)
  const lines = records.flatMap(({ key, value }, i) => [
    ...(i > 0 ? [Buffer.from(marks.end)] : []),
    key ?? none,
    Buffer.from(marks.key),
    value ?? none,
  ])
  await execute(await needKcat(), words, Buffer.concat(lines))
}
