import { GatewayError, toGatewayError } from '../core/errors.ts'
import { pause } from '../delivery/timing.ts'
import { Bridge } from './bridge.ts'
import type { BridgeContext, BridgePlan } from './plan.ts'

/** How long what was looked up is told again, and how long metrics wait for it. */
const freshMs = 10_000
const lookMs = 1000

export interface BridgeState {
  readonly bridge: Bridge
  /** What its group has still to settle, as of the last seconds; undefined where the source cannot tell. */
  readonly lag: { readonly events: number; readonly oldestMs: number } | undefined
}

/** All bridges of the gateway, on this replica. */
export class Bridges {
  readonly #bridges: readonly Bridge[]
  readonly #stopping = new AbortController()
  readonly #lags = new Map<Bridge, BridgeState['lag']>()
  readonly #clock: BridgeContext['clock']
  #lookedAt = Number.NEGATIVE_INFINITY
  #running: Promise<unknown> = Promise.resolve()

  constructor(context: BridgeContext, plans: readonly BridgePlan[]) {
    this.#clock = context.clock
    this.#bridges = plans.map((plan) => new Bridge(context, plan))
  }

  /** Resolves once all have their groups, and so lose nothing from then on. Throws where one cannot, by its name. */
  async start(): Promise<void> {
    await Promise.all(this.#bridges.map(prepare))
    this.#running = Promise.all(this.#bridges.map((bridge) => bridge.run(this.#stopping.signal)))
  }

  /** What is being published may end within `graceMs`; the rest is left to whoever comes next. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort()
    const grace = new AbortController()
    await Promise.race([this.#running, pause(graceMs, grace.signal)])
    grace.abort()
  }

  /** For metrics. Never rejects. */
  async watch(): Promise<BridgeState[]> {
    if (this.#clock.now() - this.#lookedAt >= freshMs) {
      this.#lookedAt = this.#clock.now()
      const late = new AbortController()
      const looks = Promise.all(this.#bridges.map((bridge) => this.#look(bridge)))
      await Promise.race([looks, pause(lookMs, late.signal)])
      late.abort()
    }
    return this.#bridges.map((bridge) => ({ bridge, lag: this.#lags.get(bridge) }))
  }

  async #look(bridge: Bridge): Promise<void> {
    const { broker, brokerTopic } = bridge.plan.from
    // Rather no number than an old one.
    const state = await broker.groups.describe(brokerTopic, bridge.group).catch(() => undefined)
    this.#lags.set(bridge, state?.lag)
  }
}

async function prepare(bridge: Bridge): Promise<void> {
  const { name, from } = bridge.plan
  const who = `Bridge ${name}: topic ${from.name} on broker ${from.brokerName}`
  try {
    if (from.broker.capabilities.groups === 'one') {
      const taken = (await from.broker.groups.list(from.brokerTopic)).find((group) => group !== bridge.group)
      if (taken !== undefined) {
        throw new GatewayError('misconfigured', `has room for one group (capability groups), and ${taken} is there.`)
      }
    }
    await bridge.prepare()
  } catch (thrown) {
    const { code, message } = toGatewayError(thrown)
    throw new GatewayError(code, `${who} ${code === 'misconfigured' ? '' : 'gives it no group: '}${message}`, {
      cause: thrown,
    })
  }
}
