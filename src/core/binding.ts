/** Where a topic lives. The epoch grows with every change, and cursors carry it. */
export interface Binding {
  readonly topic: string
  readonly broker: string
  /** The topic's name at the broker. */
  readonly name: string
  readonly epoch: number
  /** Where the broker's log ended when the topic was bound to it, as its own cursor: what is before is of another time. */
  readonly start?: string
}

/** A binding that a topic had before, as long as something of it is to be consumed. */
export interface Drain {
  readonly topic: string
  readonly broker: string
  readonly name: string
  readonly epoch: number
  /** When the topic was bound elsewhere; all times are in milliseconds since the epoch. */
  readonly since: number
  /** When its groups were empty, and had been for a while. */
  readonly emptiedAt?: number
  /** When what pull groups had not taken was left behind. */
  readonly leftAt?: number
  /** Until then some replica has events of it that are not settled. */
  readonly heldUntil?: number
}

/** What the gateway remembers of where its topics live. */
export interface Bindings {
  /** Sorted by topic. */
  list(): Promise<readonly Binding[]>
  /**
   * Creates or replaces, and at once remembers `drain` as what the topic is drained from; nothing else is, from then on.
   * Rejects with `conflict` where the topic was bound elsewhere meanwhile. Harmless to repeat.
   */
  put(binding: Binding, drain?: Drain): Promise<void>
  /** Sorted by topic, of which each has one at the most. */
  drains(): Promise<readonly Drain[]>
  /** Keeps it from being called empty until then. */
  holdDrain(drain: Drain, until: number): Promise<void>
  /** Notes a time where there is none; answers whether it did. */
  markDrain(drain: Drain, what: 'emptied' | 'left', now: number): Promise<boolean>
  /** Answers whether it was there. */
  forgetDrain(drain: Drain): Promise<boolean>
}
