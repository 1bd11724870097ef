import type { DeclaredTopic, ensureTopic, refusals } from '../config/topics.ts'

export type DeclaredTopics = readonly DeclaredTopic[]

interface Means {
  readonly refusals: typeof refusals
  readonly ensureTopic: typeof ensureTopic
}

/** Opens the brokers of a configuration, without a gateway; they are closed when `use` is done. */
export async function withTopics(
  file: string,
  shown: string,
  use: (topics: DeclaredTopics, means: Means) => Promise<void>,
): Promise<void> {
  const [
    { loadConfig },
    { prepareBrokers, openBrokers },
    { declaredTopics, ...means },
    { nodeAdapters },
    { systemClock },
  ] = await Promise.all([
    import('../config/load.ts'),
    import('../config/brokers.ts'),
    import('../config/topics.ts'),
    import('../runtime/adapters.ts'),
    import('../core/clock.ts'),
  ])
  const loaded = await loadConfig(file, process.env, { shown })
  const opened = await openBrokers(await prepareBrokers(loaded, nodeAdapters), systemClock)
  try {
    await use(declaredTopics(loaded.config.topics, new Map(opened.map((entry) => [entry.name, entry]))), means)
  } finally {
    await Promise.allSettled(opened.map(({ broker }) => broker.close()))
  }
}
