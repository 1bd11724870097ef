import { GatewayError } from '../../src/core/index.ts'

/** Of the 255 bytes of a queue’s name. Its group has 64 at the most, and what is added six. */
const longest = 180

/**
 * A topic is the exchange of its name. A colon is in no name of a topic or group, so that what belongs to them is told
 * apart from them and from each other.
 */
export function queueOf(topic: string, group: string): string {
  return `${topic}:${group}`
}

/** Where what a group rejected lies. */
export function deadQueueOf(topic: string, group: string): string {
  return `${topic}:${group}:dead`
}

/** Where the names of a topic's groups are kept. */
export function directoryOf(topic: string): string {
  return `${topic}::groups`
}

/** Throws `invalid_argument` for what the names of queues cannot be made of. */
export function checkName(topic: string): void {
  if (!topic.includes(':') && Buffer.byteLength(topic) <= longest) return
  const detail = `A topic on RabbitMQ cannot be called ${JSON.stringify(topic)}: its queues are called after it, so it has at most ${longest} bytes, and no colon. Give it another name there (name).`
  throw new GatewayError('invalid_argument', detail)
}
