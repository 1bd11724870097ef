import type { ConsumerInfo, StreamInfo } from '@nats-io/jetstream'
import { nuid } from '@nats-io/transport-node'
import { GatewayError, type Start } from '../../src/core/index.ts'
import type { NatsClient } from './client.ts'
import { readCursor } from './cursor.ts'
import type { Topic } from './streams.ts'

const nanos = 1e6
const idleMs = 5000

/**
 * The sequence behind which a start stands. Throws `stale_cursor` where what comes after a cursor is gone, or never was.
 * Everything begins by such a number, so that no replica that is behind decides about it.
 */
export async function sequenceBefore(
  client: NatsClient,
  { topic, info }: { readonly topic: Topic; readonly info: StreamInfo },
  start: Start,
): Promise<number> {
  const { first_seq, last_seq, last_ts } = info.state
  if (start === 'latest') return last_seq
  if (start === 'earliest') return Math.max(0, first_seq - 1)
  if (start instanceof Date) {
    return last_seq === 0 || Date.parse(last_ts) < start.getTime() ? last_seq : beforeTime(client, topic.stream, start)
  }
  const seq = readCursor(start.cursor, topic.incarnation)
  if (seq > last_seq) throw stale('It is beyond the end of the topic.')
  if (seq + 1 < first_seq) throw stale('What came after it is beyond retention.')
  return seq
}

function stale(why: string): GatewayError {
  return new GatewayError('stale_cursor', `The cursor cannot be gone on from. ${why}`)
}

/** The server finds the first message of a time only for a consumer: one is made, and says where it begins. */
async function beforeTime(client: NatsClient, stream: string, time: Date): Promise<number> {
  const name = nuid.next()
  const config = {
    name,
    ack_policy: 'none',
    deliver_policy: 'by_start_time',
    opt_start_time: time.toISOString(),
    inactive_threshold: idleMs * nanos,
    mem_storage: true,
    num_replicas: 1,
  }
  const body = { stream_name: stream, action: 'create', config }
  const { delivered } = await client.api<ConsumerInfo>(`CONSUMER.CREATE.${stream}.${name}`, 'the look for a time', body)
  void client.ask(`CONSUMER.DELETE.${stream}.${name}`).catch(() => undefined)
  return delivered.stream_seq
}

/** A start as it is shown. */
export function showStart(start: Start): string {
  if (start === 'earliest' || start === 'latest') return start
  return start instanceof Date ? start.toISOString() : start.cursor
}
