import { toGatewayError } from '../core/errors.ts'
import type { Operation } from '../store/operations.ts'
import type { Catalog } from './catalog.ts'
import { runRedrive } from './redrive.ts'
import { runReplay } from './replay.ts'
import type { Shared } from './shared.ts'
import { pause } from './timing.ts'
import type { Work } from './work.ts'

const lookMs = 1000
const idleLookMs = 5000
const leaseMs = 15_000

/** Works on redrives and replays that nobody works on. Each goes on where it was left, by whichever replica. */
export class Operations {
  readonly #shared: Shared
  readonly #catalog: Catalog
  readonly #running = new Map<string, Promise<void>>()
  #stopped = false
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(shared: Shared, catalog: Catalog) {
    this.#shared = shared
    this.#catalog = catalog
  }

  /** Looks for work now, and from then on every few seconds. */
  look(): void {
    clearTimeout(this.#timer)
    if (this.#stopped) return
    this.#timer = setTimeout(() => void this.#look(), 0)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await Promise.all(this.#running.values())
  }

  async #look(): Promise<void> {
    let wait = idleLookMs
    try {
      for (const operation of await this.#shared.context.store.operations.unfinished()) {
        wait = lookMs
        if (operation.state !== 'running' || this.#running.has(operation.id) || this.#stopped) continue
        if (!this.#isAhead(operation)) this.#start(operation)
      }
    } catch {
      // The store is away; the next look comes.
    }
    if (this.#stopped) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#look(), wait)
  }

  /** Whether it is of a binding that this replica does not have: one with the newer configuration works on it. */
  #isAhead({ topic, what }: Operation): boolean {
    const here = this.#shared.context.topics.resolve(topic)
    return what.kind === 'replay' && here !== undefined && what.epoch > here.epoch
  }

  #start(operation: Operation): void {
    const running = this.#run(operation).finally(() => this.#running.delete(operation.id))
    this.#running.set(operation.id, running)
  }

  async #run({ id }: Operation): Promise<void> {
    const { context, token, stopping } = this.#shared
    const { operations } = context.store
    try {
      const now = context.clock.now()
      if (!(await operations.lease(id, token, now + leaseMs, now))) return
      // As it is now that it is ours.
      const operation = await operations.get(id)
      if (operation?.state !== 'running') return
      this.#tell(operation, 'An operation begins, or goes on.')
      const lane = this.#catalog.lane(operation.subscription)
      let leasedAt = now
      const mayGoOn = async (): Promise<boolean> => {
        if (this.#stopped || stopping.aborted) return false
        const at = context.clock.now()
        if (at - leasedAt > leaseMs / 3) {
          if (!(await operations.lease(id, token, at + leaseMs, at))) return false
          leasedAt = at
        }
        return (await operations.get(id))?.state === 'running'
      }
      const due = (): void => {
        if (lane !== undefined) this.#shared.due(lane, context.clock.now())
      }
      const work: Work = { shared: this.#shared, operation, mayGoOn, signal: stopping, due }
      const isDone = await (operation.what.kind === 'redrive'
        ? runRedrive(work, operation.what)
        : runReplay(work, operation.what))
      if (isDone) await this.#whenDelivered(work)
      await this.#tellEnd(id)
    } catch (thrown) {
      await this.#failed(id, thrown)
    }
  }

  /** It is over when the last of its deliveries is. */
  async #whenDelivered({ operation: { id }, mayGoOn, signal }: Work): Promise<void> {
    const { context } = this.#shared
    while (await mayGoOn()) {
      if ((await context.store.operations.pending(id)) === 0) {
        await context.store.operations.transition(id, ['running'], 'succeeded', context.clock.now())
        return
      }
      await pause(lookMs / 4, signal)
    }
  }

  #tell({ id, what, subscription, state, matched, done, failed }: Operation, message: string): void {
    const fields = { operation: id, kind: what.kind, subscription, state, matched, done, failed }
    this.#shared.context.log('info', message, fields)
  }

  /** Where it was paused or cancelled, that is its end here too; where another replica has it, that one tells. */
  async #tellEnd(id: string): Promise<void> {
    const operation = await this.#shared.context.store.operations.get(id)
    if (operation !== undefined && operation.state !== 'running')
      this.#tell(operation, `An operation is ${operation.state}.`)
  }

  async #failed(id: string, thrown: unknown): Promise<void> {
    const { context } = this.#shared
    const error = toGatewayError(thrown)
    context.log('warn', 'An operation could not go on.', { operation: id, cause: error.message })
    if (error.retryable || this.#stopped) return
    await context.store.operations
      .transition(id, ['running'], 'failed', context.clock.now(), error.message)
      .catch(() => {})
  }
}
