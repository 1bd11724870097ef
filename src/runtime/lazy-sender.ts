import type { AttemptResult } from '../core/delivery.ts'
import type { Outgoing, Sender } from '../core/sender.ts'

/** A sender whose client is loaded when it is first used: a gateway without subscriptions starts without it. */
export class LazySender implements Sender {
  readonly #load: () => Promise<Sender>
  #loading: Promise<Sender> | undefined
  #loaded: Sender | undefined

  constructor(load: () => Promise<Sender>) {
    this.#load = load
  }

  send(outgoing: Outgoing, signal: AbortSignal): Promise<AttemptResult> {
    if (this.#loaded !== undefined) return this.#loaded.send(outgoing, signal)
    return this.#sender().then((sender) => sender.send(outgoing, signal))
  }

  async check(url: string, pointer: string): Promise<void> {
    await (await this.#sender()).check(url, pointer)
  }

  async close(): Promise<void> {
    await (await this.#loading)?.close()
  }

  async #sender(): Promise<Sender> {
    this.#loading ??= this.#load()
    this.#loaded = await this.#loading
    return this.#loaded
  }
}
