type Work =
  /** One message after the other. */
  | { readonly kind: 'send' }
  /** One message for each send, at an even rate. */
  | { readonly kind: 'paced'; readonly ratePerSecond: number }
  /** Sends of so many messages, so many at a time. */
  | { readonly kind: 'batches'; readonly size: number; readonly parallel: number }
  /** The whole topic, which has so many events, again and again. */
  | { readonly kind: 'consume'; readonly topic: string; readonly events: number }

/** What the client library alone is asked to do. */
export type ClientTask = Work & { readonly seconds: number }

export type ClientJob = ClientTask & { readonly bootstrap: readonly string[]; readonly topic: string }
