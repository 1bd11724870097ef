import { resolve } from 'node:path'
import { execute } from '../kafka/execute.ts'
import { needPika } from '../services/tool.ts'

const script = resolve(import.meta.dirname, 'pika_peer.py')

/** A message as the Python client gives and takes it. */
export interface PikaMessage {
  readonly headers: Readonly<Record<string, string | number | boolean>>
  readonly contentType?: string
  readonly messageId?: string
  readonly type?: string
  readonly bodyHex: string
}

async function peer<T>(words: readonly string[], input: object): Promise<T> {
  const output = await execute(await needPika(), [script, ...words], JSON.stringify(input))
  return JSON.parse(output.toString()) as T
}

/** Publishes to an exchange, with confirmation. */
export async function publishByPika(url: string, exchange: string, messages: readonly PikaMessage[]): Promise<void> {
  await peer(['publish', url, exchange], messages)
}

/** Takes so many messages from a queue. */
export function takeByPika(url: string, queue: string, count: number): Promise<readonly PikaMessage[]> {
  return peer(['take', url, queue, String(count)], {})
}
