import type { z } from 'zod'
import type { Broker } from '../core/broker.ts'
import type { Clock } from '../core/clock.ts'

/** A kind of broker that the runtime can open. */
export interface BrokerAdapter {
  readonly type: string
  /** The keys under `brokers.<name>`, `type` among them. */
  readonly config: z.ZodType
  /** Whether a topic that is declared is made, also where the configuration has no `ensure` for it. */
  readonly declaringCreates: boolean
  /**
   * Where opening would leave something behind that was not there: a configuration to open instead, and what removes its
   * traces. Undefined where opening leaves nothing.
   */
  rehearse?(config: unknown): Promise<{ readonly config: unknown; done(): Promise<void> } | undefined>
  /** `config` is what the schema made of the entry. */
  open(config: unknown, context: { readonly clock: Clock }): Promise<Broker>
}

/** What a runtime brings along, loaded only where it is used. */
export interface AdapterRegistry {
  readonly types: readonly string[]
  /** Called only with one of `types`. `directory` is where relative paths begin. */
  load(type: string, directory: string): Promise<BrokerAdapter>
}
