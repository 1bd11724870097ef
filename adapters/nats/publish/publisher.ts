import {
  BrokenKeys,
  type Event,
  GatewayError,
  type PublishOptions,
  type PublishResult,
  UnsupportedError,
  unlessAborted,
} from '../../../src/core/index.ts'
import type { NatsClient } from '../client.ts'
import { numbers } from '../errors.ts'
import type { SubjectTemplate } from '../names.ts'
import type { Streams, Topic } from '../streams.ts'
import { publishBatch } from './atomic.ts'
import { Call } from './call.ts'
import { notStored, type Outgoing, outgoing, stored } from './outgoing.ts'
import { Sender } from './sender.ts'

/** From so many on, events of one key go all or none: one acknowledgement instead of one after the other. */
const worthABatch = 4

/** Publishing: events without a key at once, those of a key one after the other. */
export class NatsPublisher {
  readonly #client: NatsClient
  readonly #streams: Streams
  readonly #template: SubjectTemplate
  readonly #sender: Sender
  /** The last of each key that is on its way. */
  readonly #tails = new Map<string, Promise<unknown>>()

  constructor(client: NatsClient, streams: Streams, template: SubjectTemplate, timeoutMs: number) {
    this.#client = client
    this.#streams = streams
    this.#template = template
    this.#sender = new Sender(client, streams, timeoutMs)
  }

  /** One result per event, in order. Settles soon after `signal` aborts. */
  async publish(
    name: string,
    events: readonly Event[],
    { delayMs = 0, atomic = false, signal }: PublishOptions,
  ): Promise<readonly PublishResult[]> {
    const topic = this.#streams.known(name) ?? (await unlessAborted(this.#streams.topic(name), signal))
    if (topic === undefined) {
      throw new GatewayError('unavailable', 'NATS did not tell of the topic in time; nothing was sent.')
    }
    if (atomic && !topic.atomic) throw new UnsupportedError('atomicPublishMax', lacks(topic, 'allow_atomic'))
    if (delayMs > 0) checkDelay(topic, delayMs, atomic && events.length > 1)
    const due = delayMs > 0 ? Date.now() + delayMs : undefined
    const all = outgoing(topic, events, this.#template, this.#client.server.max_payload, due)
    const call = new Call(signal)
    try {
      const first = firsts(all)
      const results = await this.#publishAll(topic, [...new Set(first)], atomic && all.length > 1, call)
      return all.map((one, i) => (first[i] === one ? results.get(one)! : repeated(one, results.get(first[i]!)!)))
    } finally {
      call.done()
    }
  }

  async #publishAll(topic: Topic, all: Outgoing[], atomic: boolean, call: Call): Promise<Map<Outgoing, PublishResult>> {
    const results = new Map<Outgoing, PublishResult>()
    if (atomic) {
      await publishBatch(this.#sender, topic, all, call, results)
      return results
    }
    const keyed = new Map<string, Outgoing[]>()
    const running: Promise<unknown>[] = []
    for (const one of all) {
      if (one.key === undefined) running.push(this.#single(topic, one, call, results))
      else if (!keyed.get(one.key)?.push(one)) keyed.set(one.key, [one])
    }
    for (const [key, run] of keyed)
      running.push(this.#inTurn(`${topic.name} ${key}`, () => this.#run(topic, run, call, results)))
    await Promise.all(running)
    return results
  }

  /** After everything of this key that was published before, also by others. */
  #inTurn(key: string, run: () => Promise<void>): Promise<void> {
    const before = this.#tails.get(key)
    const mine = before === undefined ? run() : before.then(run)
    this.#tails.set(key, mine)
    return mine.finally(() => this.#tails.get(key) === mine && this.#tails.delete(key))
  }

  /** Events of one key. What comes after one that was not stored is not sent. */
  async #run(topic: Topic, run: readonly Outgoing[], call: Call, results: Map<Outgoing, PublishResult>): Promise<void> {
    const isDelayed = 'Nats-Schedule' in run[0]!.headers
    if (topic.atomic && !isDelayed && run.length >= worthABatch) {
      await publishBatch(this.#sender, topic, run, call, results)
      return
    }
    const broken = new BrokenKeys()
    for (const one of run) {
      const refusal = broken.refusal(one.event)
      if (refusal !== undefined) results.set(one, refusal)
      else if ((await this.#single(topic, one, call, results)) !== 'stored') broken.add(one.event)
    }
  }

  async #single(topic: Topic, one: Outgoing, call: Call, results: Map<Outgoing, PublishResult>): Promise<string> {
    const verdict = await this.#sender.publish(
      topic,
      () => ({ before: [], ...one }),
      call,
      one.messageId !== undefined,
      [numbers.wrongStream],
    )
    if (verdict.status === 'refused') {
      const detail = `The subject ${one.subject} belongs to another stream than ${topic.stream}: set subject of the broker to what fits.`
      results.set(one, notStored(one, 'failed', new GatewayError('misconfigured', detail)))
    } else if (verdict.status !== 'stored') results.set(one, notStored(one, verdict.status, verdict.error))
    else {
      const { ack, again } = verdict
      // A delayed event has its place once it is due. What an attempt of our own stored is no duplicate.
      const seq = 'Nats-Schedule' in one.headers ? undefined : ack.seq
      results.set(one, stored(one, seq, ack.duplicate === true && !again))
    }
    return verdict.status
  }
}

/** Of each event the first in the list with the same message id. */
function firsts(all: readonly Outgoing[]): Outgoing[] {
  const seen = new Map<string, Outgoing>()
  return all.map((one) => {
    if (one.messageId === undefined) return one
    const first = seen.get(one.messageId)
    if (first === undefined) seen.set(one.messageId, one)
    return first ?? one
  })
}

function repeated({ event }: Outgoing, first: PublishResult): PublishResult {
  const { id } = event.attributes
  return first.status === 'stored' ? { ...first, id, duplicate: true } : { ...first, id }
}

function checkDelay(topic: Topic, delayMs: number, several: boolean): void {
  if (!topic.schedules) throw new UnsupportedError('publishDelayMs', lacks(topic, 'allow_msg_schedules'))
  if (several) {
    throw new UnsupportedError('atomicPublishMax', 'NATS delays events one by one, and not several all or none.')
  }
  if (topic.maxAgeMs !== undefined && delayMs >= topic.maxAgeMs) {
    const detail = `The stream ${topic.stream} keeps events for less than the delay: it would be gone before it is due.`
    throw new UnsupportedError('publishDelayMs', detail)
  }
}

function lacks({ name, stream }: Topic, setting: string): string {
  return `The stream ${stream} of ${name} lacks ${setting}: set it there, or give the topic an ensure.`
}
