import type { AttemptResult } from '../core/delivery.ts'
import type { SubscriptionStatus } from '../core/subscription.ts'
import type { Catalog } from './catalog.ts'
import type { Announcement, DeliveryContext } from './context.ts'
import type { Decision } from './decide.ts'
import type { Lane } from './lane.ts'

/** Watches whether endpoints live: one that failed for too long is disabled, one that is gone has its subscription ended. */
export class Health {
  readonly #context: DeliveryContext
  readonly #catalog: Catalog
  /** Since when each endpoint fails, as this replica knows it; 0 where it does not. */
  readonly #failing = new Map<string, number>()
  readonly #changing = new Set<string>()

  constructor(context: DeliveryContext, catalog: Catalog) {
    this.#context = context
    this.#catalog = catalog
  }

  concluded(lane: Lane, result: AttemptResult, decision: Decision): void {
    if (decision.kind === 'ended') this.#once(lane, () => this.#end(lane, decision.reason))
    else if (decision.kind === 'succeeded') this.#works(lane)
    else if (result.stage !== 'gateway') this.#fails(lane)
  }

  #since(lane: Lane): number {
    const { id, failingSince } = lane.subscription
    return this.#failing.get(id) ?? failingSince ?? 0
  }

  #works(lane: Lane): void {
    if (this.#since(lane) === 0) return
    const { id } = lane.subscription
    this.#failing.set(id, 0)
    this.#context.store.subscriptions.failing(id, undefined).catch(() => this.#failing.delete(id))
  }

  #fails(lane: Lane): void {
    const { id, policy } = lane.subscription
    const now = this.#context.clock.now()
    const since = this.#since(lane)
    if (since === 0) {
      this.#failing.set(id, now)
      this.#context.store.subscriptions.failing(id, now).catch(() => this.#failing.delete(id))
    } else if (now - since >= policy.disableAfterMs) {
      this.#once(lane, () => this.#disable(lane))
    }
  }

  #once(lane: Lane, change: () => Promise<void>): void {
    const { id } = lane.subscription
    if (this.#changing.has(id)) return
    this.#changing.add(id)
    change()
      .catch((error: unknown) => {
        this.#context.log('warn', 'A subscription could not be changed.', { subscription: id, cause: String(error) })
      })
      .finally(() => this.#changing.delete(id))
  }

  async #disable(lane: Lane): Promise<void> {
    const { id, policy } = lane.subscription
    const now = this.#context.clock.now()
    // Another replica may have had a success.
    const stored = await this.#context.store.subscriptions.get(id)
    const since = stored?.failingSince
    if (since === undefined || now - since < policy.disableAfterMs) {
      this.#failing.set(id, since ?? 0)
      return
    }
    const reason = `No attempt has succeeded since ${new Date(since).toISOString()}.`
    await this.#become(lane, ['active'], 'disabled', reason)
  }

  async #end(lane: Lane, reason: string): Promise<void> {
    if (!(await this.#become(lane, ['active', 'paused', 'disabled'], 'ended', reason))) return
    await this.#context.store.deliveries.kill(lane.subscription.id, reason, this.#context.clock.now())
  }

  async #become(
    lane: Lane,
    from: readonly SubscriptionStatus[],
    to: 'disabled' | 'ended',
    reason: string,
  ): Promise<boolean> {
    const { store, log, announce, clock } = this.#context
    const { subscription } = lane
    if (!(await store.subscriptions.transition(subscription.id, from, to, reason, clock.now()))) return false
    this.#failing.delete(subscription.id)
    await this.#catalog.refresh()
    log('warn', `A subscription is ${to}.`, { subscription: subscription.id, topic: subscription.topic, reason })
    const type: Announcement['type'] = `sluice.subscription.${to}`
    announce({ type, subscription, reason })
    return true
  }
}
