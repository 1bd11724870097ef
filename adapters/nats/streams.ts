import type { StreamInfo } from '@nats-io/jetstream'
import { GatewayError } from '../../src/core/index.ts'
import type { NatsClient } from './client.ts'
import { isOwnSubject, streamOf } from './names.ts'

/** Says in a stream's metadata that events are not told apart by their ids. */
export const dedupMark = 'sluice.dedup'

/** A topic as the adapter needs to know it: of a stream, what decides how it is used. */
export interface Topic {
  readonly name: string
  readonly stream: string
  /** Tells the stream from one of the same name that was deleted before it. */
  readonly incarnation: string
  /** What its events are published under; not what the gateway added. */
  readonly subjects: readonly string[]
  /** Everything that the stream listens to. */
  readonly allSubjects: readonly string[]
  readonly deduplicates: boolean
  readonly replicated: boolean
  readonly atomic: boolean
  readonly schedules: boolean
  /** Absent where only the server's limit counts. */
  readonly maxMessageBytes: number | undefined
  /** How long events are kept, where there is an end to it. */
  readonly maxAgeMs: number | undefined
}

/** The streams behind the topics. What was learnt of one holds until somebody says `forget`. */
export class Streams {
  readonly #client: NatsClient
  readonly #known = new Map<string, Topic>()

  constructor(client: NatsClient) {
    this.#client = client
  }

  known(topic: string): Topic | undefined {
    return this.#known.get(topic)
  }

  forget(topic: string): void {
    this.#known.delete(topic)
  }

  /** Rejects with `not_found` where there is no such stream. */
  async topic(name: string): Promise<Topic> {
    return this.#known.get(name) ?? (await this.fresh(name)).topic
  }

  /** What the server says now. */
  async fresh(name: string): Promise<{ readonly topic: Topic; readonly info: StreamInfo }> {
    const stream = streamOf(name)
    const info = await this.#client
      .api<StreamInfo>(`STREAM.INFO.${stream}`, 'the description of the topic')
      .catch((error) => {
        if (error instanceof GatewayError && error.code === 'not_found') {
          this.forget(name)
          throw new GatewayError('not_found', `NATS has no stream ${stream} for the topic ${name}.`, {
            cause: error,
          })
        }
        throw error
      })
    const topic = topicFrom(name, info)
    this.#known.set(name, topic)
    return { topic, info }
  }
}

function topicFrom(name: string, { config, created }: StreamInfo): Topic {
  const { subjects = [], retention, metadata = {}, num_replicas } = config
  const { max_msg_size, max_age, allow_atomic, allow_msg_schedules } = config
  if (retention !== 'limits') {
    const detail = `The stream ${config.name} deletes what was acknowledged (retention ${retention}): a topic needs one with retention limits.`
    throw new GatewayError('misconfigured', detail)
  }
  return {
    name,
    stream: config.name,
    incarnation: incarnationOf(created),
    subjects: subjects.filter((subject) => !isOwnSubject(subject)),
    allSubjects: subjects,
    deduplicates: metadata[dedupMark] !== 'none',
    replicated: num_replicas > 1,
    atomic: allow_atomic === true,
    schedules: allow_msg_schedules === true,
    maxMessageBytes: max_msg_size > 0 ? max_msg_size : undefined,
    maxAgeMs: max_age > 0 ? max_age / 1e6 : undefined,
  }
}

export function noLeader(what: string): GatewayError {
  return new GatewayError('unavailable', `${what} has no leader.`, { retryAfterMs: 1000 })
}

/** Of a time with nanoseconds, as the server writes it: its digits, shorter. */
function incarnationOf(created: string): string {
  const [, seconds = '', fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(created) ?? []
  const whole = Date.parse(`${seconds}Z`) / 1000
  return `${whole.toString(36)}${Number(fraction.padEnd(9, '0')).toString(36).padStart(6, '0')}`
}
