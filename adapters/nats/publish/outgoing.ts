import { type Event, GatewayError, keyOf, type PublishResult } from '../../../src/core/index.ts'
import { checkSize, type HeaderRecord, headersOf, idHeader, messageId } from '../codec.ts'
import { laterSubject, matches, type SubjectTemplate } from '../names.ts'
import type { Topic } from '../streams.ts'

const noData = new Uint8Array(0)
const streamHeader = 'Nats-Expected-Stream'

/** An event as the message that is published for it. */
export interface Outgoing {
  readonly event: Event
  readonly key: string | undefined
  readonly subject: string
  readonly headers: HeaderRecord
  readonly data: Uint8Array
  /** What the server knows it again by; undefined where the topic tells no events apart. */
  readonly messageId: string | undefined
}

/**
 * Throws where one of the events cannot be published: nothing is sent then. `due` is when a delayed event is to be seen,
 * in milliseconds since the epoch.
 */
export function outgoing(
  topic: Topic,
  events: readonly Event[],
  template: SubjectTemplate,
  maxPayload: number,
  due: number | undefined,
): Outgoing[] {
  const limit = Math.min(maxPayload, topic.maxMessageBytes ?? Number.POSITIVE_INFINITY)
  return events.map((event) => {
    const target = template.of(topic.stream, event)
    if (!topic.subjects.some((pattern) => matches(pattern, target))) throw foreignSubject(topic, target)
    const headers = headersOf(event)
    const data = event.data ?? noData
    checkSize(headers, data, limit)
    headers[streamHeader] = [topic.stream]
    const id = topic.deduplicates ? messageId(event) : undefined
    if (id !== undefined) headers[idHeader] = [id]
    let subject = target
    if (due !== undefined) {
      headers['Nats-Schedule'] = [`@at ${new Date(due).toISOString()}`]
      headers['Nats-Schedule-Target'] = [target]
      subject = laterSubject(topic.stream, crypto.randomUUID())
    }
    return { event, key: keyOf(event), subject, headers, data, messageId: id }
  })
}

function foreignSubject({ stream, subjects }: Topic, subject: string): GatewayError {
  const detail = `The stream ${stream} takes ${subjects.join(', ')}, and the event would go to ${subject}: set subject of the broker to what fits.`
  return new GatewayError('misconfigured', detail)
}

export function notStored({ event }: Outgoing, status: 'failed' | 'unknown', error: GatewayError): PublishResult {
  return { id: event.attributes.id, status, error: error.toItem() }
}

export function stored({ event }: Outgoing, seq: number | undefined, isDuplicate: boolean): PublishResult {
  return {
    id: event.attributes.id,
    status: 'stored',
    ...(seq !== undefined && { position: String(seq) }),
    ...(isDuplicate && { duplicate: true }),
  }
}
