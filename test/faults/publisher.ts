import { Random } from '../conformance/random.ts'
import { pause } from '../conformance/waiting.ts'
import { readAnswer } from './answer.ts'
import { type Form, forms, type Item, sizeOf, type Verdict } from './forms.ts'
import type { Gateway } from './gateway.ts'
import type { Ledger } from './ledger.ts'

/** Against hanging: how long an event may stay unknown although its client keeps asking. */
const resolveMs = 120_000

interface Request {
  readonly form: Form
  readonly items: readonly Item[]
  readonly headers: Record<string, string>
}

/**
 * A client that publishes in every form, one request after the other, over keys of its own. What it does not get an
 * answer for it publishes again, as it was, until it gets one: so a key's events are never out of order by its doing.
 */
export class LoadPublisher {
  readonly #name: string
  readonly #gateway: Gateway
  readonly #ledger: Ledger
  readonly #random: Random
  /** How many events were acknowledged in each form. */
  readonly acknowledged = new Map<string, number>()
  /** Requests whose Idempotency-Key a killed process took with it: they are answered when its claim has ended. */
  readonly #aside: Promise<void>[] = []
  #made = 0

  constructor(name: string, gateway: Gateway, ledger: Ledger, seed: number) {
    this.#name = name
    this.#gateway = gateway
    this.#ledger = ledger
    this.#random = new Random(seed)
  }

  async runUntil(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) await this.#publish(this.#request(this.#random.pick(forms)))
    await Promise.all(this.#aside)
  }

  #request(form: Form): Request {
    const request = `${this.#name}-request-${this.#made}`
    const items = Array.from({ length: sizeOf(form, this.#random) }, (): Item => {
      const token = `${this.#name}-${(this.#made++).toString(36).padStart(6, '0')}`
      // A request that may have to wait for its end has keys of its own.
      const key = form.idempotent === true ? request : `${this.#name}-key-${this.#random.between(0, 4)}`
      return {
        token,
        ...(form.keyed && { key }),
        ...(form.ids === 'client' && { id: `id-${token}` }),
        ...(form.atomic === true && { atom: request }),
      }
    })
    const headers: Record<string, string> = form.idempotent === true ? { 'idempotency-key': crypto.randomUUID() } : {}
    return { form, items, headers }
  }

  async #publish(request: Request): Promise<void> {
    const { form } = request
    const left = await this.#send(request)
    // What has neither an id nor a key of its own cannot be published again without danger.
    if (left.length === 0 || (form.ids === 'gateway' && form.idempotent !== true)) return
    const answered = this.#untilAnswered(request, left)
    if (form.idempotent !== true) return answered
    answered.catch(() => undefined)
    this.#aside.push(answered)
  }

  /** Publishes again: the same bytes under an Idempotency-Key, all of an atomic publish, and else what is still open. */
  async #untilAnswered(request: Request, open: readonly Item[]): Promise<void> {
    const { form } = request
    const end = Date.now() + resolveMs
    for (let left = open; left.length > 0; ) {
      if (Date.now() > end) throw new Error(`${form.name}: ${left[0]?.token} has no answer after ${resolveMs} ms`)
      await pause(form.idempotent === true ? 250 : 20)
      const whole = form.idempotent === true || form.atomic === true
      left = await this.#send(whole ? request : { ...request, items: left })
    }
  }

  /** Sends a request once. Answers the events of which the outcome is still unknown. */
  async #send({ form, items, headers: more }: Request): Promise<readonly Item[]> {
    const known = new Set<string>()
    const url = await this.#gateway.url()
    const { path, headers, body } = form.request(items)
    for (const item of items) this.#ledger.attempt(item)
    let response: Response
    try {
      response = await fetch(`${url}${path}`, { method: 'POST', headers: { ...headers, ...more }, body })
    } catch {
      return items
    }
    const onVerdict = (item: Item, verdict: Verdict): void => {
      if (verdict.status === 'unknown') return
      known.add(item.token)
      if (verdict.status !== 'stored') {
        this.#ledger.fail(item.token)
        return
      }
      this.#ledger.acknowledge(item.token, verdict.id, verdict.position)
      this.acknowledged.set(form.name, (this.acknowledged.get(form.name) ?? 0) + 1)
    }
    try {
      await readAnswer(response, items, onVerdict)
    } catch (error) {
      // A connection that ends in mid-answer; anything else is a defect.
      if (!isCut(error)) throw error
    }
    return items.filter(({ token }) => !known.has(token))
  }
}

function isCut(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof Error && error.name === 'AbortError')
}
