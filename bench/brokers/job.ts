type Work =
  /** One message after the other. */
  | { readonly kind: 'send' }
  /** One message for each send, at an even rate. */
  | { readonly kind: 'paced'; readonly ratePerSecond: number }
  /** As many messages a send, and sends at a time, as are best. */
  | { readonly kind: 'batches' }
  /** So many events that are there, again and again; acknowledged where there is a group. */
  | { readonly kind: 'consume'; readonly topic: string; readonly group?: string; readonly events: number }

/** What the client library alone is asked to do. */
export type ClientTask = Work & { readonly seconds: number }

/** `entry` is what stands under `brokers` of the gateway's configuration. */
export type ClientJob = ClientTask & { readonly entry: object; readonly topic: string }
