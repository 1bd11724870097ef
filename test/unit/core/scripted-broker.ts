import type { Broker, Capabilities, PublishOptions, PublishResult } from '../../../src/core/broker.ts'
import type { Event } from '../../../src/core/event.ts'
import { FixtureBroker, fixtureCapabilities } from '../../fixtures/fixture-broker.ts'

export function event(id: string, key?: string, data?: Uint8Array): Event {
  const attributes = {
    specversion: '1.0',
    id,
    source: '/s',
    type: 't',
    ...(key !== undefined && { partitionkey: key }),
  }
  return { attributes: attributes as Event['attributes'], ...(data !== undefined && { data }) }
}

export function stored(events: readonly Event[]): PublishResult[] {
  return events.map(({ attributes }) => ({ id: attributes.id, status: 'stored' }))
}

export interface Publish {
  readonly events: readonly Event[]
  readonly ids: readonly string[]
  readonly options: PublishOptions
  /** Answers as stored, unless other results are given. */
  answer(results?: readonly PublishResult[]): void
  fail(error: unknown): void
}

/** A broker whose publishes wait until the test answers them. */
export class ScriptedBroker extends FixtureBroker {
  override readonly capabilities: Capabilities
  readonly calls: Publish[] = []
  #arrived: (() => void) | undefined

  constructor(publish: Partial<Capabilities['publish']> = {}, more: Partial<Capabilities> = {}) {
    super()
    this.capabilities = { ...fixtureCapabilities, ...more, publish: { ...fixtureCapabilities.publish, ...publish } }
  }

  override publish(_topic: string, events: readonly Event[], options: PublishOptions): Promise<PublishResult[]> {
    return new Promise((resolve, reject) => {
      this.calls.push({
        events,
        ids: events.map(({ attributes }) => attributes.id),
        options,
        answer: (results = stored(events)) => resolve([...results]),
        fail: reject,
      })
      this.#arrived?.()
    })
  }

  /** The call of that number, counted from 0, once it was made. */
  async call(index: number): Promise<Publish> {
    while (this.calls.length <= index) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve
      })
    }
    return this.calls[index]!
  }
}

/** A broker whose publish does `publish`. */
export function brokerThat(publish: Broker['publish'], limits: Partial<Capabilities['publish']> = {}): Broker {
  const broker = new ScriptedBroker(limits)
  broker.publish = publish as FixtureBroker['publish']
  return broker
}
