import type { Payload } from './payload.ts'

/** A request to a hook, read and not yet believed. */
export interface Inbound {
  readonly headers: Headers
  /** As it came, byte for byte. */
  readonly body: Uint8Array<ArrayBuffer>
  /** From the question mark on, as it came; empty where there is none. */
  readonly query: string
  /** The address that the provider was told to call, as the hook's configuration has it. */
  readonly url: string | undefined
  readonly secrets: readonly string[]
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** How one provider signs, and what its requests are called as events. */
export interface Provider {
  /** The signature that was right, or undefined: nobody is told why. Never rejects, whatever the request holds. */
  verify(request: Inbound): Promise<string | undefined>
  /** What a verified request is answered at once, where it is a question and no event. */
  reply?(payload: Payload): Response | undefined
  /** Templates in the order in which they are tried. The last one of each can always be filled. */
  readonly id: readonly string[]
  readonly type: readonly string[]
}
