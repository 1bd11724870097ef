import type { GroupOptions } from '../../src/core/index.ts'
import type { Sender } from './publish/sender.ts'
import type { GroupSettings } from './settings.ts'

/** What AWS tells of a topic; absent is what it does not tell. */
export interface TopicFacts {
  readonly retentionMs?: number
  /** What the topic takes as one message. */
  readonly maxMessageSize?: number
}

/** Where a group is in AWS. */
export interface GroupPlace {
  readonly name: string
  readonly url: string
  readonly settings: GroupSettings
}

/** How topics and groups lie in AWS: there are two ways. */
export interface Layout {
  /** Rejects with `not_found` where there is no such topic. */
  sender(topic: string): Promise<Sender>
  /** Undefined where there is no such topic. */
  find(topic: string): Promise<TopicFacts | undefined>
  create(topic: string, facts: TopicFacts): Promise<void>
  change(topic: string, facts: TopicFacts): Promise<void>
  topics(): Promise<readonly string[]>
  /** Undefined where there is no such group, or it is not made to its end. Rejects with `not_found` without the topic. */
  group(topic: string, group: string): Promise<GroupPlace | undefined>
  groups(topic: string): Promise<readonly string[]>
  /** False where it is there already. `settled` resolves when what this process publishes to the topic is settled. */
  createGroup(topic: string, group: string, options: GroupOptions, settled: () => Promise<void>): Promise<boolean>
  deleteGroup(topic: string, group: string): Promise<void>
  /** Rejects where publishing would not work, or nothing is heard before `signal` aborts. */
  health(signal: AbortSignal): Promise<void>
}
