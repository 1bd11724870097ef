import type { DeadLetter, DeadLetters } from '../../core/broker.ts'
import { GatewayError } from '../../core/errors.ts'
import { Parcel } from '../../core/parcel.ts'
import { noGroup } from './consumer.ts'
import { type HeldContext, type HeldPlace, storeName } from './context.ts'

/** What pullers of a topic gave up. An id is a number that grows. */
export class HeldDeadLetters implements DeadLetters {
  readonly #context: HeldContext
  readonly #place: HeldPlace
  /** Rejects with `not_found` where there is no such group. */
  readonly #existing: (topic: string, group: string) => Promise<void>
  readonly #changed: (group: string) => void

  constructor(
    context: HeldContext,
    place: HeldPlace,
    existing: (topic: string, group: string) => Promise<void>,
    changed: (group: string) => void,
  ) {
    this.#context = context
    this.#place = place
    this.#existing = existing
    this.#changed = changed
  }

  async list(topic: string, group: string, page: { limit: number; after?: string }): Promise<readonly DeadLetter[]> {
    const after = page.after === undefined ? 0 : idOf(page.after)
    if (after === undefined) throw new GatewayError('invalid_argument', 'This is no id of a dead letter.')
    await this.#existing(topic, group)
    const { clock, store } = this.#context
    const letters = await store.dead(storeName(this.#place, group), { limit: page.limit, after }, clock.now())
    if (letters === undefined) throw noGroup()
    return letters.map(({ id, bytes, ...letter }) => ({
      id: String(id),
      event: Parcel.ofBytes(bytes).event,
      ...letter,
    }))
  }

  async redrive(topic: string, group: string, which: readonly string[] | 'all'): Promise<number> {
    await this.#existing(topic, group)
    const { clock, store } = this.#context
    const ids = which === 'all' ? which : which.map(idOf).filter((id) => id !== undefined)
    const count = await store.redrive(storeName(this.#place, group), ids, clock.now())
    if (count === undefined) throw noGroup()
    if (count > 0) this.#changed(group)
    return count
  }

  async delete(topic: string, group: string, id: string): Promise<void> {
    await this.#existing(topic, group)
    const { clock, store } = this.#context
    const number = idOf(id)
    const found = number !== undefined && (await store.deleteDead(storeName(this.#place, group), number, clock.now()))
    if (!found) throw new GatewayError('not_found', 'There is no such dead letter.')
  }
}

function idOf(id: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(id) ? Number(id) : undefined
}
