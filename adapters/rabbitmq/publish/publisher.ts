import {
  BrokenKeys,
  type Event,
  eventBytes,
  GatewayError,
  type PublishResult,
  toGatewayError,
} from '../../../src/core/index.ts'
import { encodeEvent } from '../codec.ts'
import type { Config } from '../config.ts'
import { translate } from '../errors.ts'
import type { Link } from '../link.ts'
import { priorityOf, routingKeyOf } from '../routing.ts'
import { Alarm } from './alarm.ts'
import { Lane, type Outgoing } from './lane.ts'

/** A publish of the largest batch is written without waiting. */
const highWaterMark = 4096
/** The server allows some 2,000 channels of a connection. */
const lanesMax = 500

/** Publishes with confirmation: `mandatory`, so that what no queue takes is an error and no silence. */
export class Publisher {
  readonly #link: Link
  readonly #config: Config
  /** Rejects with `not_found` where there is no such exchange. */
  readonly #exists: (topic: string) => Promise<void>
  readonly #alarm: Alarm
  /** By topic, the one that was used last at the end. */
  readonly #lanes = new Map<string, Promise<Lane>>()

  constructor(link: Link, config: Config, exists: (topic: string) => Promise<void>) {
    this.#link = link
    this.#config = config
    this.#exists = exists
    this.#alarm = new Alarm(link, (why) => void this.#abandon(why))
  }

  async publish(topic: string, events: readonly Event[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    const results = new Array<PublishResult>(events.length)
    const places: number[] = []
    const outgoing = this.#encode(events, results, places)
    if (outgoing.length === 0) return results
    this.#alarm.check()
    const lane = await this.#lane(topic)
    if (signal.aborted) throw new GatewayError('unavailable', 'The time was over before anything was sent.')
    this.#alarm.check()
    const bytes = outgoing.reduce((sum, { event }) => sum + eventBytes(event), 0)
    const answers = await lane.publish(outgoing, bytes, signal)
    if (outgoing.length === events.length) return answers
    for (const [i, place] of places.entries()) results[place] = answers[i]!
    return results
  }

  /** Throws where publishing would not work now. */
  async check(): Promise<void> {
    await this.#alarm.probe()
    this.#alarm.check()
    if (this.#link.fault !== undefined) throw this.#link.fault
  }

  async close(): Promise<void> {
    this.#alarm.close()
    const lanes = await Promise.allSettled(this.#lanes.values())
    this.#lanes.clear()
    await Promise.all(lanes.map((lane) => (lane.status === 'fulfilled' ? lane.value.close() : undefined)))
  }

  /** What may be sent, and the places of it; what may not is answered in `results`, and later events of its key with it. */
  #encode(events: readonly Event[], results: PublishResult[], places: number[]): Outgoing[] {
    const broken = new BrokenKeys()
    const outgoing: Outgoing[] = []
    for (const [index, event] of events.entries()) {
      const refusal = broken.refusal(event)
      if (refusal !== undefined) {
        results[index] = refusal
        continue
      }
      try {
        outgoing.push(this.#message(event))
        places.push(index)
      } catch (error) {
        results[index] = { id: event.attributes.id, status: 'failed', error: toGatewayError(error).toItem() }
        broken.add(event)
      }
    }
    return outgoing
  }

  #message(event: Event): Outgoing {
    const { maxEventBytes, priorities } = this.#config
    const size = eventBytes(event)
    if (size > maxEventBytes) {
      throw new GatewayError('too_large', `The event has ${size} bytes; RabbitMQ takes ${maxEventBytes} here.`)
    }
    const message = encodeEvent(event, this.#link.frameMax)
    const priority = priorities === undefined ? undefined : priorityOf(event)
    if (priority !== undefined) message.options.priority = priority
    return { event, message, routingKey: routingKeyOf(event, this.#config) }
  }

  async #lane(topic: string): Promise<Lane> {
    const known = this.#lanes.get(topic)
    if (known !== undefined) {
      const lane = await known
      if (lane.isOpen) return lane
      if (this.#lanes.get(topic) === known) this.#lanes.delete(topic)
    }
    const opening = this.#lanes.get(topic) ?? this.#open(topic)
    this.#lanes.delete(topic)
    this.#lanes.set(topic, opening)
    return opening
  }

  #open(topic: string): Promise<Lane> {
    const opening = (async () => {
      await this.#exists(topic)
      await this.#makeRoom()
      return new Lane(topic, await this.#link.confirmChannel(highWaterMark))
    })().catch((error) => {
      if (this.#lanes.get(topic) === opening) this.#lanes.delete(topic)
      throw translate(error, 'the publishing')
    })
    return opening
  }

  async #makeRoom(): Promise<void> {
    if (this.#lanes.size <= lanesMax) return
    for (const [topic, opening] of this.#lanes) {
      const lane = await opening.catch(() => undefined)
      if (lane?.isIdle !== true) continue
      this.#lanes.delete(topic)
      await lane.close()
      return
    }
  }

  async #abandon(why: GatewayError): Promise<void> {
    const detail = `${why.message} What was sent before may be stored then: publish it again with the same id.`
    const error = new GatewayError('unknown_outcome', detail).toItem()
    for (const opening of this.#lanes.values()) (await opening.catch(() => undefined))?.abandon(error)
  }
}
