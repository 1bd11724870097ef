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
