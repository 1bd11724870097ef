import type { GroupOptions } from '../../src/core/index.ts'

/** What a group was made with, as a tag of its queue: there is no other place that lasts as long as the queue. */
export interface GroupSettings {
  readonly leaseMs: number
  readonly maxAttempts: number
  /** It is being made: its place is not fixed yet. */
  readonly unfinished?: true
}

const prefix = 'sluice:group:'
const making = 'making'
const made = 'made'

/** Every group starts at the end: there is no history to start from. */
export const start = 'latest'

export function tagOf(group: string): string {
  return prefix + group
}

export function settingsTag(
  group: string,
  { leaseMs, maxAttempts }: GroupOptions,
  isMade: boolean,
): Record<string, string> {
  return { [tagOf(group)]: `${isMade ? made : making} lease=${leaseMs} attempts=${maxAttempts}` }
}

/** The groups that a queue's tags tell. */
export function groupsIn(tags: Readonly<Record<string, string>>): Map<string, GroupSettings> {
  const groups = new Map<string, GroupSettings>()
  for (const [key, value] of Object.entries(tags)) {
    const match = /^(making|made) lease=(\d+) attempts=(\d+)$/.exec(value)
    if (!key.startsWith(prefix) || match === null) continue
    const settings = { leaseMs: Number(match[2]), maxAttempts: Number(match[3]) }
    groups.set(key.slice(prefix.length), match[1] === made ? settings : { ...settings, unfinished: true })
  }
  return groups
}
