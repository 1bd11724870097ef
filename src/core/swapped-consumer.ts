import type { Batch, Consumer, OpenOptions, PullOptions, Settlement, SettleResult } from './broker.ts'
import { requireOutcome } from './capabilities.ts'
import { GatewayError, toGatewayError } from './errors.ts'
import type { PullSource } from './group.ts'

/** A binding of a topic, as its groups are pulled from it. */
export interface PulledBinding {
  readonly epoch: number
  readonly brokerName: string
  readonly brokerTopic: string
  readonly pulls: PullSource
}

/** While an old binding is drained, who waits looks there as often: what was leased may have come back. */
const lookMs = 1000

/** What was given before the first swap has no mark: nobody could know that there would be one. */
export function withEpoch(epoch: number, text: string): string {
  return epoch === 1 ? text : `${epoch}~${text}`
}

export function ofEpoch(text: string): { readonly epoch: number; readonly text: string } {
  const match = /^([1-9]\d{0,14})~/.exec(text)
  return match === null ? { epoch: 1, text } : { epoch: Number(match[1]), text: text.slice(match[0].length) }
}

/** A group of a topic that was at another broker before: what is left there comes first. */
export class SwappedConsumer implements Consumer {
  readonly #now: PulledBinding
  readonly #consumer: Consumer
  readonly #before: () => PulledBinding | undefined
  readonly #group: string
  readonly #options: OpenOptions
  #old: Promise<Consumer | undefined> | undefined

  constructor(
    now: PulledBinding,
    consumer: Consumer,
    before: () => PulledBinding | undefined,
    group: string,
    options: OpenOptions,
  ) {
    this.#now = now
    this.#consumer = consumer
    this.#before = before
    this.#group = group
    this.#options = options
  }

  async pull({ max, waitMs, signal }: PullOptions): Promise<Batch> {
    const end = performance.now() + waitMs
    for (;;) {
      const before = this.#before()
      // Where the old broker does not answer, what the new one has may still be pulled.
      const left = before && (await settled(this.#pullOld(before, max, signal)))
      if (left?.value !== undefined && left.value.deliveries.length > 0) return left.value
      const patience = Math.max(0, end - performance.now())
      const isLast = before === undefined || patience <= lookMs
      const batch = await this.#consumer.pull({ max, waitMs: isLast ? patience : lookMs, signal })
      if (batch.deliveries.length > 0) return marked(this.#now.epoch, batch)
      if (!isLast && !signal.aborted) continue
      if (left?.error !== undefined) throw left.error
      return batch
    }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettleResult[]> {
    const before = this.#before()
    const parsed = settlements.map(({ receipt, outcome }) => ({ ...ofEpoch(receipt), outcome }))
    for (const { epoch, outcome } of parsed) {
      if (epoch === before?.epoch) requireOutcome(before.pulls.capabilities, outcome, before.brokerName)
    }
    // Where the old broker does not answer, what came from the new one can still be settled.
    const isOld = parsed.some(({ epoch }) => epoch === before?.epoch)
    const old = before && isOld ? await this.#open(before) : undefined
    const results = new Array<SettleResult>(settlements.length).fill(lost)
    const settle = async (consumer: Consumer, wanted: number): Promise<void> => {
      const places = parsed.flatMap(({ epoch }, place) => (epoch === wanted ? [place] : []))
      if (places.length === 0) return
      const own = places.map((place) => ({ receipt: parsed[place]!.text, outcome: parsed[place]!.outcome }))
      const answers = await consumer.settle(own)
      for (const [i, place] of places.entries()) results[place] = renewed(wanted, answers[i]!)
    }
    await Promise.all([
      settle(this.#consumer, this.#now.epoch),
      ...(before === undefined || old === undefined ? [] : [settle(old, before.epoch)]),
    ])
    return results
  }

  async close(): Promise<void> {
    await this.#consumer.close()
    await (await this.#old)?.close()
  }

  async #pullOld(before: PulledBinding, max: number, signal: AbortSignal): Promise<Batch | undefined> {
    const consumer = await this.#open(before)
    if (consumer === undefined) return undefined
    return marked(before.epoch, await consumer.pull({ max, waitMs: 0, signal }))
  }

  /** Undefined where the old binding has no such group: it was made later. */
  #open({ pulls, brokerTopic }: PulledBinding): Promise<Consumer | undefined> {
    this.#old ??= pulls.open(brokerTopic, this.#group, this.#options).catch((error: unknown) => {
      if (toGatewayError(error).code === 'not_found') return undefined
      this.#old = undefined
      throw error
    })
    return this.#old
  }
}

const lost: SettleResult = {
  status: 'failed',
  error: new GatewayError(
    'lease_lost',
    'The lease is unknown, or of a broker that the topic is not drained from any more.',
  ).toItem(),
}

function marked(epoch: number, batch: Batch): Batch {
  if (epoch === 1) return batch
  return { ...batch, deliveries: batch.deliveries.map((one) => ({ ...one, receipt: withEpoch(epoch, one.receipt) })) }
}

function renewed(epoch: number, result: SettleResult): SettleResult {
  if (result.status === 'failed' || result.renewed === undefined) return result
  return { ...result, renewed: withEpoch(epoch, result.renewed) }
}

async function settled<T>(asked: Promise<T>): Promise<{ readonly value?: T; readonly error?: unknown }> {
  try {
    return { value: await asked }
  } catch (error) {
    return { error }
  }
}
