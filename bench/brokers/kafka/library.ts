import { type BaseOptions, ProduceAcks } from '@platformatic/kafka'

/** Of the gateway's configuration. */
export interface KafkaEntry {
  readonly type: 'kafka'
  readonly bootstrap: readonly string[]
}

/** The client library as its users would have it: every acknowledged record is on all replicas, once. */
export function producerOptions(bootstrapBrokers: string[]) {
  return {
    ...clientOptions(bootstrapBrokers),
    idempotent: true,
    acks: ProduceAcks.ALL,
    // What is unset, or 1, the library takes for without end.
    retries: 3,
  }
}

export function clientOptions(bootstrapBrokers: string[]): BaseOptions {
  return { clientId: 'bench', bootstrapBrokers, autocreateTopics: false }
}
