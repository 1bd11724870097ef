import type { StreamConfig } from '@nats-io/jetstream'
import { type MsgHdrs, MsgHdrsImpl } from '@nats-io/transport-node'
import { type DeadLetter, GatewayError } from '../../src/core/index.ts'
import { deadMark } from './admin.ts'
import type { NatsClient } from './client.ts'
import { decodeValue, encodeValue, type HeaderRecord, idHeader } from './codec.ts'
import { ApiError, isApiError, isNoResponders, numbers } from './errors.ts'
import { decodeEvent, type StoredMessage } from './event.ts'
import type { Group } from './groups.ts'
import type { Ticket } from './message.ts'
import { deadStream, deadSubject, redriveSubject } from './names.ts'
import type { Topic } from './streams.ts'

const reasonHeader = 'sluice-dead-reason'
const attemptsHeader = 'sluice-dead-attempts'
/** Where the event was stored first, whatever became of it then. */
export const positionHeader = 'sluice-position'
const longestReason = 500

interface Raw {
  readonly message: { subject: string; seq: number; time: string; data?: string; hdrs?: string }
}

/** Where events go that a group gave up: a stream beside that of the topic, made with the first of them. */
export class DeadLetterBox {
  readonly #client: NatsClient

  constructor(client: NatsClient) {
    this.#client = client
  }

  /** Resolves once the event is stored there. Burying it again is harmless within some minutes. */
  async bury({ topic, consumer, secret }: Group, { seq, attempt }: Ticket, reason: string): Promise<void> {
    const message = await this.message(topic.stream, { seq })
    // Retention took it: there is nothing left to be kept.
    if (message === undefined) return
    const headers = recordOf(message.headers)
    headers[reasonHeader] = [encodeValue(reason).slice(0, longestReason).replace(/%.?$/, '')]
    headers[attemptsHeader] = [String(attempt)]
    headers[positionHeader] ??= [String(seq)]
    headers[idHeader] = [`${secret}-${seq}`]
    await this.#store(topic, deadSubject(topic.stream, consumer), headers, message.data)
  }

  /** Oldest first. */
  async list(
    { topic, consumer }: Group,
    after: number,
    limit: number,
    upTo = Number.MAX_SAFE_INTEGER,
  ): Promise<StoredMessage[]> {
    const [stream, subject] = [deadStream(topic.stream), deadSubject(topic.stream, consumer)]
    const found: StoredMessage[] = []
    for (let seq = after + 1; found.length < limit; ) {
      const message = await this.message(stream, { seq, next_by_subj: subject })
      if (message === undefined || message.seq > upTo) break
      found.push(message)
      seq = message.seq + 1
    }
    return found
  }

  /** Gives one to the group again, under a message id of its own. Answers whether it was still there. */
  async redrive({ topic, consumer }: Group, message: StoredMessage): Promise<boolean> {
    const headers = recordOf(message.headers)
    delete headers[reasonHeader]
    delete headers[attemptsHeader]
    headers[idHeader] = [`redrive-${message.headers?.get(idHeader) ?? ''}-${message.seq}`]
    await this.#publish(redriveSubject(topic.stream, consumer), topic.stream, headers, message.data)
    return this.remove(topic, message.seq)
  }

  /** Answers whether it was there. */
  async remove({ stream }: Topic, seq: number): Promise<boolean> {
    try {
      const name = `STREAM.MSG.DELETE.${deadStream(stream)}`
      await this.#client.retry('the end of a dead letter', () => this.#client.ask(name, { seq, no_erase: true }))
      return true
    } catch (error) {
      if (error instanceof GatewayError && error.cause instanceof ApiError && error.code !== 'unavailable') {
        if (isGone(error.cause)) return false
      }
      throw error
    }
  }

  /** One message, as whoever leads the stream has it. */
  async message(stream: string, which: { seq: number; next_by_subj?: string }): Promise<StoredMessage | undefined> {
    try {
      const name = `STREAM.MSG.GET.${stream}`
      const { message } = await this.#client.retry('the read', () => this.#client.ask<Raw>(name, which))
      return {
        subject: message.subject,
        headers: message.hdrs === undefined ? undefined : MsgHdrsImpl.decode(Buffer.from(message.hdrs, 'base64')),
        data: Buffer.from(message.data ?? '', 'base64'),
        seq: message.seq,
        storedAt: Date.parse(message.time),
      }
    } catch (error) {
      if (error instanceof GatewayError && error.cause instanceof ApiError && isGone(error.cause)) return undefined
      throw error
    }
  }

  async #store(topic: Topic, subject: string, headers: HeaderRecord, data: Uint8Array): Promise<void> {
    await this.#publish(subject, deadStream(topic.stream), headers, data, () => this.#make(topic))
  }

  /** `onNobody` is asked to make a stream that listens where none does; then it is tried again. */
  async #publish(
    subject: string,
    stream: string,
    headers: HeaderRecord,
    data: Uint8Array,
    onNobody?: () => Promise<void>,
  ): Promise<void> {
    const record = { ...headers, 'Nats-Expected-Stream': [stream] }
    const attempt = async () => {
      try {
        const answer = await this.#client.request(subject, data, MsgHdrsImpl.fromRecord(record))
        const { error } = answer.json<{ error?: ConstructorParameters<typeof ApiError>[0] }>()
        if (error !== undefined) throw new ApiError(error)
      } catch (error) {
        if (isNoResponders(error)) await onNobody?.()
        throw error
      }
    }
    await this.#client.retry('the publish of a dead letter', attempt, 3000)
  }

  /** As many replicas as the topic has, and no retention. */
  async #make({ stream }: Topic): Promise<void> {
    const doing = 'the stream of dead letters'
    const { config: topic } = await this.#client.api<{ config: StreamConfig }>(`STREAM.INFO.${stream}`, doing)
    const config: Partial<StreamConfig> = {
      name: deadStream(stream),
      subjects: [deadSubject(stream, '*')],
      retention: 'limits',
      storage: topic.storage,
      num_replicas: topic.num_replicas,
      metadata: { [deadMark]: stream },
    }
    await this.#client.retry(doing, async () => {
      try {
        await this.#client.ask(`STREAM.CREATE.${config.name}`, config)
      } catch (error) {
        if (!isApiError(error, 10058)) throw error
      }
    })
  }
}

export function deadLetterOf(message: StoredMessage, topic: string): DeadLetter {
  const header = (name: string): string => message.headers?.get(name) ?? ''
  const position = header(positionHeader)
  return {
    id: String(message.seq),
    event: decodeEvent(message, topic),
    reason: decodeValue(header(reasonHeader)),
    attempts: Number(header(attemptsHeader)),
    deadAt: message.storedAt,
    ...(position !== '' && { position }),
  }
}

function isGone(error: ApiError): boolean {
  return [numbers.noMessage, numbers.streamNotFound, 10043, 10057].includes(error.number)
}

/** Without what told the server how to store the message (a batch, a time to live, a roll-up): that was done. */
function recordOf(headers: MsgHdrs | undefined): HeaderRecord {
  const own = [...(headers ?? [])].filter(([name]) => !/^nats-/i.test(name))
  return Object.fromEntries(own.map(([name, values]) => [name, [...values]]))
}
