import { produceV9, produceV10, produceV11, Writer } from '@platformatic/kafka'
import { GatewayError } from '../../../src/core/index.ts'
import type { Connection, ConnectionPool, KafkaClient } from '../client.ts'
import { answerOf } from '../errors.ts'

const produceKey = 0
const parsers = {
  9: produceV9.parseResponse,
  10: produceV10.parseResponse,
  11: produceV11.parseResponse,
} as const

/** What one node takes in a request: its `message.max.bytes` bounds a batch, not the request. */
const maxRequestBytes = 16 << 20

export interface Appending {
  readonly topic: string
  readonly partition: number
  /** A stamped batch. */
  readonly bytes: Buffer
}

export interface Appended {
  /** 0 where the batch was appended and acknowledged. */
  readonly errorCode: number
  readonly baseOffset: bigint
}

interface Waiting extends Appending {
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: unknown) => void
}

/** Nothing was sent; `cause` says why. */
export class Unsent extends Error {
  constructor(cause: unknown) {
    super('Nothing was sent.', { cause })
  }
}

/**
 * The producing connection to one node: one request at a time, with whatever batches wait for that node. A node answers a
 * connection's requests in order anyway, so a second one in flight would only wait there instead of here, and smaller.
 */
export class Sender {
  readonly #client: KafkaClient
  readonly #pool: ConnectionPool
  readonly #node: number
  readonly #acks: number
  readonly #timeoutMs: number
  #waiting: Waiting[] = []
  #running = false

  constructor(client: KafkaClient, pool: ConnectionPool, node: number, acks: number, timeoutMs: number) {
    this.#client = client
    this.#pool = pool
    this.#node = node
    this.#acks = acks
    this.#timeoutMs = timeoutMs
  }

  /** Rejects with Unsent, or, where no answer came, with something else: the node may have appended it then. */
  append(appending: Appending): Promise<Appended> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...appending, resolve, reject })
      if (this.#running) return
      this.#running = true
      // What is appended together in this turn leaves together.
      queueMicrotask(() => this.#run())
    })
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const taken = this.#take()
      try {
        answer(taken, await this.#produce(taken))
      } catch (error) {
        for (const { reject } of taken) reject(error)
      }
    }
    this.#running = false
  }

  #take(): Waiting[] {
    let bytes = 0
    let count = 0
    while (count < this.#waiting.length) {
      bytes += this.#waiting[count]!.bytes.length
      if (count > 0 && bytes > maxRequestBytes) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #produce(taken: readonly Waiting[]): Promise<produceV11.ProduceResponse> {
    const { connection, version } = await this.#ready()
    return new Promise((resolve, reject) => {
      connection.send<produceV11.ProduceResponse>(
        produceKey,
        version,
        () => this.#request(taken),
        parsers[version],
        true,
        true,
        (error, response) => {
          // The library makes an error of an answer in which any partition has one; the answer says which.
          const answered = response ?? answerOf<produceV11.ProduceResponse>(error)
          if (answered === undefined) reject(error)
          else resolve(answered)
        },
      )
    })
  }

  async #ready(): Promise<{ connection: Connection; version: keyof typeof parsers }> {
    try {
      const { version } = await this.#client.api('Produce')
      if (!(version in parsers)) {
        throw new GatewayError('misconfigured', 'The brokers are too old: Kafka 3.0 is the oldest spoken to.')
      }
      const connection = await this.#client.connect(this.#pool, this.#node)
      return { connection, version: version as keyof typeof parsers }
    } catch (error) {
      throw new Unsent(error)
    }
  }

  /** Produce Request, versions 9 to 11. */
  #request(taken: readonly Waiting[]): Writer {
    const topics = Map.groupBy(taken, ({ topic }) => topic)
    return Writer.create()
      .appendString(null)
      .appendInt16(this.#acks)
      .appendInt32(this.#timeoutMs)
      .appendArray([...topics], (writer, [topic, batches]) => {
        writer.appendString(topic).appendArray(batches, (part, { partition, bytes }) => {
          part
            .appendInt32(partition)
            .appendUnsignedVarInt(bytes.length + 1)
            .append(bytes)
        })
      })
      .appendTaggedFields()
  }
}

function answer(taken: readonly Waiting[], { responses }: produceV11.ProduceResponse): void {
  for (const { topic, partition, resolve, reject } of taken) {
    const of = responses.find(({ name }) => name === topic)?.partitionResponses.find(({ index }) => index === partition)
    if (of === undefined) reject(new Error(`The answer has nothing of partition ${partition} of ${topic}.`))
    else resolve({ errorCode: of.errorCode, baseOffset: of.baseOffset })
  }
}
