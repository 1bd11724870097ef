/** Of the gateway's configuration. */
export interface RabbitEntry {
  readonly type: 'rabbitmq'
  readonly url: string
}

/** As the gateway calls it. */
export function queueOf(topic: string, group: string): string {
  return `${topic}:${group}`
}
