/** What a delivery that owns a row is: see `Deliveries` of the store. */
export type DeliveryStatus = 'in_flight' | 'parked' | 'dead' | 'succeeded' | 'discarded' | 'expired'

/** Those that are still owed. */
export const pendingStatuses: readonly DeliveryStatus[] = ['in_flight', 'parked']

/** How far an attempt came before it failed; `gateway` is our own fault, everything else is the endpoint's side. */
export type AttemptStage = 'guard' | 'dns' | 'connect' | 'tls' | 'auth' | 'timeout' | 'response' | 'gateway'

/** One try to deliver. */
export interface Attempt {
  /** 1 for the first. */
  readonly number: number
  /** When it began, in milliseconds since the epoch. */
  readonly at: number
  readonly durationMs: number
  /** The endpoint's answer, where there was one. */
  readonly status?: number
  /** The first KiB of the answer, as text. */
  readonly body?: string
  /** Why it failed; absent for a success. Holds no secret. */
  readonly error?: string
  readonly stage?: AttemptStage
}

/** What `attempt` of the sender answers: never rejects. */
export interface AttemptResult extends Omit<Attempt, 'number'> {
  /** What the endpoint asked to wait, within the bounds that the gateway obeys. */
  readonly retryAfterMs?: number
}

export function succeeded({ error }: Pick<Attempt, 'error'>): boolean {
  return error === undefined
}
