import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { Readable } from 'node:stream'
import { Client, type ClientOptions } from '../client.ts'
import { clientOptions, define } from '../define.ts'
import { wrongUse } from '../exit.ts'
import { unreadable } from '../files.ts'
import { colours, print, userPath, wantsJson } from '../io.ts'
import { publishLines } from '../publish-lines.ts'

interface PublishOptions extends ClientOptions {
  readonly type?: string
  readonly key?: string
  readonly subject?: string
  readonly source?: string
  readonly id?: string
  readonly delay?: string
  readonly contentType?: string
  readonly data?: string
  readonly file?: string
  readonly ndjson?: boolean
  readonly json?: boolean
}

interface Payload {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly contentType: string
}

const contentTypes: Readonly<Record<string, string>> = {
  '.json': 'application/json',
  '.txt': 'text/plain',
  '.xml': 'application/xml',
  '.html': 'text/html',
  '.csv': 'text/csv',
}

export const publish = clientOptions(
  define('publish', 'Publish an event and print its receipt, or a stream of CloudEvents, one a line.', [
    `sluice publish orders --type order.created --key 42 --data '{"id":42}'`,
    'sluice publish orders --file order.json',
    'echo hello | sluice publish greetings -',
    'sluice publish orders --file events.ndjson',
  ]),
)
  .argument('<topic>')
  .argument('[-]', 'the data is on standard input')
  .option('--type <type>', "the event's type; the topic's name, where it is left out")
  .option('--key <key>', 'its ordering key')
  .option('--subject <subject>', 'its subject')
  .option('--source <source>', 'its source')
  .option('--id <id>', 'its id; a retry with the same one is safe where the topic deduplicates')
  .option('--delay <duration>', 'not to be seen before, such as 30s')
  .option('--content-type <type>', 'of the data; found out, where it is left out')
  .option('--data <text>', 'the data')
  .option('--file <path>', 'a file that holds the data; .ndjson holds CloudEvents, one a line')
  .option('--ndjson', 'what is read holds CloudEvents, one a line')
  .action(async (topic: string, dash: string | undefined, options: PublishOptions) => {
    if (dash !== undefined && dash !== '-') throw wrongUse(`Data comes from --data, --file or -, and not from ${dash}.`)
    const given = [options.data, options.file, dash].filter((one) => one !== undefined)
    if (given.length !== 1) throw wrongUse('Give the data once: --data TEXT, --file PATH, or - for standard input.')
    const client = new Client(options)
    const path = `/v1/topics/${encodeURIComponent(topic)}/events`
    if (options.ndjson === true || /\.(ndjson|jsonl)$/.test(options.file ?? '')) {
      refuseAttributes(options)
      await publishLines(client, path, await streamOf(options.file), { delay: options.delay }, wantsJson(options))
      return
    }
    const { bytes, contentType } = await payloadOf(options)
    const { type, key, subject, source, id, delay } = options
    const response = await client.request(path, {
      method: 'POST',
      query: { type, key, subject, source, id, delay },
      headers: { 'content-type': contentType },
      body: bytes,
    })
    const receipt = await response.text()
    print(wantsJson(options) ? receipt.trim() : pretty(receipt))
  })

/** The lines are whole events: attributes from elsewhere would be lost. */
function refuseAttributes({ type, key, subject, source, id, contentType, data }: PublishOptions): void {
  const names = Object.entries({ type, key, subject, source, id, 'content-type': contentType, data })
  const stray = names.find(([, value]) => value !== undefined)
  if (stray !== undefined) throw wrongUse(`--${stray[0]} is not for a stream: its lines are whole CloudEvents.`)
}

async function streamOf(file: string | undefined): Promise<ReadableStream> {
  if (file === undefined) return Readable.toWeb(process.stdin) as ReadableStream
  const path = userPath(file)
  await stat(path).catch(unreadable(file))
  return Readable.toWeb(createReadStream(path)) as ReadableStream
}

async function payloadOf({ data, file, contentType }: PublishOptions): Promise<Payload> {
  if (data !== undefined) return { bytes: Buffer.from(data), contentType: contentType ?? guess(Buffer.from(data)) }
  if (file !== undefined) {
    const bytes = await readFile(userPath(file)).catch(unreadable(file))
    return { bytes, contentType: contentType ?? contentTypes[extname(file)] ?? guess(bytes) }
  }
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  const bytes = Buffer.concat(chunks)
  return { bytes, contentType: contentType ?? guess(bytes) }
}

function guess(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    try {
      JSON.parse(text)
      return 'application/json'
    } catch {
      return 'text/plain'
    }
  } catch {
    return 'application/octet-stream'
  }
}

function pretty(receipt: string): string {
  const { id, status, topic, position, duplicate } = JSON.parse(receipt) as Record<string, string | boolean | undefined>
  const where = position === undefined ? `in ${topic}` : `in ${topic} at ${position}`
  return `${colours.green(String(status))} ${id} ${where}${duplicate === true ? colours.yellow(' (it was there already)') : ''}`
}
