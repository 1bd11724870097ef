/** Where a topic lives. The epoch grows with every change, and cursors carry it. */
export interface Binding {
  readonly topic: string
  readonly broker: string
  /** The topic's name at the broker. */
  readonly name: string
  readonly epoch: number
}

/** What the gateway remembers of where its topics live. */
export interface Bindings {
  /** Sorted by topic. */
  list(): Promise<readonly Binding[]>
  /** Creates or replaces. */
  put(binding: Binding): Promise<void>
}
