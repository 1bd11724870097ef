import { GatewayError, toGatewayError } from '../core/errors.ts'
import { fanoutGroup, fanoutOptions } from '../core/own-group.ts'
import type { BoundTopic, OpenTopic } from '../core/topic.ts'
import type { Catalog } from './catalog.ts'
import { Fanout } from './fanout.ts'
import type { Feeds } from './feeds.ts'
import { isReplayable } from './log-range.ts'
import type { Shared } from './shared.ts'
import { pause } from './timing.ts'

const retryMs = 2000
/** What a fan-out has under way when its topic is bound elsewhere comes to an end within this, or comes again. */
const graceMs = 5000

interface Running {
  readonly topic: OpenTopic
  readonly binding: BoundTopic
  readonly stop: AbortController
  readonly giveUp: AbortController
  /** The first try to have its group. */
  readonly group: Promise<void>
  fanout?: Fanout
  ended: Promise<void>
}

/** The fan-outs of this replica: one for each topic with subscriptions, and one more where such a topic is drained. */
export class Fanouts {
  readonly #shared: Shared
  readonly #catalog: Catalog
  readonly #feeds: Feeds
  readonly #running = new Map<string, Running>()
  readonly #prepared = new Set<string>()
  /** Topics that are consumed although they have no subscriptions. */
  readonly #adopted = new Set<string>()
  readonly #stop = new AbortController()
  readonly #ending = new Set<Promise<void>>()

  constructor(shared: Shared, catalog: Catalog, feeds: Feeds) {
    this.#shared = shared
    this.#catalog = catalog
    this.#feeds = feeds
  }

  /** Starts those that are missing, and ends those that have nothing to come any more. Cheap: called after every change. */
  tend(): void {
    if (this.#stop.signal.aborted) return
    for (const [name, running] of this.#running) {
      const { topic, binding } = running
      if (topic.superseded !== undefined || (binding !== topic && binding !== topic.draining)) this.#end(name, running)
    }
    for (const name of new Set([...this.#catalog.topics, ...this.#adopted])) {
      const topic = this.#shared.context.topics.resolve(name)
      if (topic === undefined || topic.superseded !== undefined) continue
      this.#start(topic, topic)
      if (topic.draining !== undefined) this.#start(topic, topic.draining)
    }
  }

  /** Resolves when each has tried to have its group. */
  async ready(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ group }) => group.catch(() => {})))
  }

  /** From when it resolves, what is published to the topic waits for its subscriptions. */
  async prepare(topic: OpenTopic): Promise<void> {
    if (this.#prepared.has(topic.name)) return
    await topic.broker.groups.create(topic.brokerTopic, fanoutGroup, fanoutOptions)
    this.#prepared.add(topic.name)
  }

  /**
   * Where a broker keeps no log, nobody can tell what of a group was published before a subscription. So a group that is
   * left of subscriptions that are gone is consumed, for the next one to begin with what comes after it.
   */
  async adopt(): Promise<void> {
    const { topics, log } = this.#shared.context
    await Promise.all(
      topics.list().map(async (topic) => {
        if (isReplayable(topic)) return
        try {
          if (!(await hasGroup(topic))) return
        } catch (error) {
          log('warn', 'Whether a topic has a group for subscriptions is not known; it is consumed.', {
            topic: topic.name,
            cause: toGatewayError(error).message,
          })
        }
        this.#adopted.add(topic.name)
      }),
    )
    this.tend()
  }

  /** Whether events of a binding are with this replica, and not settled. */
  isHolding(binding: BoundTopic): boolean {
    return this.#running.get(nameOf(binding))?.fanout?.isHolding === true
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all([...[...this.#running.values()].map(({ ended }) => ended), ...this.#ending])
  }

  #end(name: string, { stop, giveUp, ended }: Running): void {
    this.#running.delete(name)
    this.#ending.add(ended)
    stop.abort()
    const timer = setTimeout(() => giveUp.abort(), graceMs)
    void ended.finally(() => {
      clearTimeout(timer)
      this.#ending.delete(ended)
    })
  }

  #start(topic: OpenTopic, binding: BoundTopic): void {
    const name = nameOf(binding)
    if (this.#running.has(name)) return
    const stop = new AbortController()
    const group = binding === topic ? this.prepare(topic) : Promise.resolve()
    group.catch(() => {})
    const running: Running = { topic, binding, stop, giveUp: new AbortController(), group, ended: Promise.resolve() }
    this.#running.set(name, running)
    running.ended = this.#run(running, AbortSignal.any([stop.signal, this.#stop.signal]))
  }

  async #run(running: Running, signal: AbortSignal): Promise<void> {
    const { topic, binding } = running
    const { log } = this.#shared.context
    for (let made = running.group; !signal.aborted; made = this.prepare(topic)) {
      try {
        await made
        // The old binding may never have had subscriptions.
        if (binding !== topic && !(await hasGroup(binding))) return
        break
      } catch (error) {
        const cause = error instanceof GatewayError ? error.message : String(error)
        log('warn', "A topic's group for subscriptions cannot be made; trying again.", { topic: topic.name, cause })
        await pause(retryMs, signal)
      }
    }
    running.fanout = new Fanout(this.#shared, this.#catalog, this.#feeds, topic, binding)
    await running.fanout.run(signal, AbortSignal.any([running.giveUp.signal, this.#shared.stopping]))
  }
}

function nameOf({ name, epoch }: BoundTopic): string {
  return `${name}~${epoch}`
}

async function hasGroup({ broker, brokerTopic }: BoundTopic): Promise<boolean> {
  return (await broker.groups.list(brokerTopic)).includes(fanoutGroup)
}
