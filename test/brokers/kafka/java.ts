import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { cached } from '../services/cache.ts'
import type { KafkaAccess } from '../services/kafka.ts'
import { run } from '../services/run.ts'
import { needJava, needJavac } from '../services/tool.ts'
import { execute } from './execute.ts'
import type { PlainRecord } from './record.ts'

const source = resolve(import.meta.dirname, 'Peer.java')
const brief = ['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Dlog4j2.level=OFF']
const patienceMs = '30000'

const consoleConsumer = 'org.apache.kafka.tools.consumer.ConsoleConsumer'
const consoleProducer = 'org.apache.kafka.tools.ConsoleProducer'

const hex = (bytes: Buffer | null): string => bytes?.toString('hex') ?? '-'

/** Marks that no bytes of a test contain. */
const marks = { key: '<~k~>', headers: '<~h~>', line: '<~l~>', none: '<~0~>' }

async function java(classpath: string, words: readonly string[], input?: string): Promise<Buffer> {
  return execute(await needJava(), [...brief, '-cp', classpath, ...words], input)
}

/** Runs Peer.java, compiled once per its text. */
async function peer(classpath: string, words: readonly string[], lines: readonly string[]): Promise<string[]> {
  const text = await readFile(source)
  const name = createHash('sha256').update(text).update(classpath).digest('hex').slice(0, 16)
  const classes = await cached(`kafka-peer-${name}`, async (target) => {
    await run(await needJavac(), ['--release', '17', '-cp', classpath, '-d', target, source])
  })
  const output = await java(`${classes}:${classpath}`, ['Peer', ...words], lines.map((line) => `${line}\n`).join(''))
  return output.toString().trim().split('\n')
}

/** To which partition Kafka's own client sends each key, where there are as many as each of `counts`. */
export async function partitionsByJava(
  classpath: string,
  keys: readonly Buffer[],
  counts: readonly number[],
): Promise<number[][]> {
  const lines = await peer(classpath, ['partitions', ...counts.map(String)], keys.map(hex))
  return lines.map((line) => line.split(' ').map(Number))
}

/** Writes with Kafka's own client, compressed as the names of the parts say. */
export async function produceByJava(
  { bootstrap, classpath }: KafkaAccess,
  topic: string,
  parts: Readonly<Record<string, readonly PlainRecord[]>>,
): Promise<void> {
  const lines = Object.entries(parts).flatMap(([compression, records]) => [
    compression,
    ...records.map(({ key, value, headers }) =>
      [hex(key), hex(value), ...headers.flatMap(([name, text]) => [name, hex(Buffer.from(text))])].join(' '),
    ),
  ])
  await peer(classpath, ['produce', bootstrap.join(), topic], lines)
}

/** Writes lines of text with Kafka's console producer. */
export async function produceByConsole(
  { bootstrap, classpath }: KafkaAccess,
  topic: string,
  records: readonly PlainRecord[],
): Promise<void> {
  const lines = records.map(({ key, value, headers }) => {
    const joined = headers.map(([name, text]) => `${name}=${text}`).join(',')
    return `${joined}${marks.headers}${key ?? marks.none}${marks.key}${value ?? marks.none}\n`
  })
  const properties = {
    'parse.headers': 'true',
    'headers.delimiter': marks.headers,
    'headers.separator': ',',
    'headers.key.separator': '=',
    'parse.key': 'true',
    'key.separator': marks.key,
    'null.marker': marks.none,
  }
  const words = [consoleProducer, '--bootstrap-server', bootstrap.join(), '--topic', topic]
  for (const [name, value] of Object.entries(properties)) words.push('--reader-property', `${name}=${value}`)
  await java(classpath, words, lines.join(''))
}

/** The first `count` records that Kafka's console consumer prints of a topic with one partition. */
export async function consumeByConsole(
  { bootstrap, classpath }: KafkaAccess,
  topic: string,
  count: number,
  ...more: readonly string[]
): Promise<PlainRecord[]> {
  const properties = {
    'print.key': 'true',
    'print.headers': 'true',
    'key.separator': marks.key,
    'headers.separator': marks.headers.slice(0, 3),
    'line.separator': marks.line,
    'null.literal': marks.none,
  }
  const words = [consoleConsumer, '--bootstrap-server', bootstrap.join(), '--topic', topic, '--from-beginning']
  words.push('--max-messages', String(count), '--timeout-ms', patienceMs, ...more)
  for (const [name, value] of Object.entries(properties)) words.push('--formatter-property', `${name}=${value}`)
  const output = (await java(classpath, words)).toString('latin1')
  return output
    .split(marks.line)
    .slice(0, -1)
    .map((line) => {
      const [headers = '', key = '', value = ''] = line.split(marks.key)
      const bytes = (text: string) => (text === marks.none ? null : Buffer.from(text, 'latin1'))
      return { key: bytes(key), value: bytes(value), headers: headersOf(headers, marks.headers.slice(0, 3)) }
    })
}

function headersOf(text: string, separator: string): [string, string][] {
  if (text === 'NO_HEADERS') return []
  return text.split(separator).map((pair) => {
    const colon = pair.indexOf(':')
    return [pair.slice(0, colon), Buffer.from(pair.slice(colon + 1), 'latin1').toString()]
  })
}
