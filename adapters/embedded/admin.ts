import type { Admin, Change, TopicSpec, TopicState } from '../../src/core/index.ts'
import type { TopicInfo } from './engine/topics.ts'
import type { TopicHub } from './hub.ts'
import type { Link } from './thread/link.ts'

/** Topics and their settings. */
export class EmbeddedAdmin implements Admin {
  readonly #link: Link
  readonly #topics: ReadonlyMap<string, TopicHub>
  readonly #topic: (name: string) => TopicHub
  readonly #learn: (info: TopicInfo) => void

  constructor(
    link: Link,
    topics: ReadonlyMap<string, TopicHub>,
    topic: (name: string) => TopicHub,
    learn: (info: TopicInfo) => void,
  ) {
    this.#link = link
    this.#topics = topics
    this.#topic = topic
    this.#learn = learn
  }

  async ensure(name: string, spec: TopicSpec): Promise<readonly Change[]> {
    const { topic, changes } = await this.#link.call('ensure', { name, spec })
    this.#learn(topic)
    return changes
  }

  diff(name: string, spec: TopicSpec): Promise<readonly Change[]> {
    return this.#link.call('plan', { name, spec })
  }

  async describe(name: string): Promise<TopicState> {
    const { partitions, retentionMs, retentionBytes, dedupMs } = this.#topic(name).info.settings
    const retention = {
      ...(retentionMs !== null && { ms: retentionMs }),
      ...(retentionBytes !== null && { bytes: retentionBytes }),
    }
    return { partitions, replicas: 1, retention, dedupWindowMs: dedupMs }
  }

  async list(): Promise<readonly string[]> {
    return [...this.#topics.keys()].sort()
  }
}
