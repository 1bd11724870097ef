import { sharedKafka } from '../brokers/services/shared-kafka.ts'
import { sharedRabbitmq } from '../brokers/services/shared-rabbitmq.ts'

/** What stands under `brokers`, by the word that topics say. */
const entries = {
  local: async () => ({ type: 'embedded', path: 'log.db' }),
  other: async () => ({ type: 'embedded', memory: true }),
  main: async () => ({ type: 'kafka', bootstrap: [...(await sharedKafka(1)).bootstrap], sessionTimeout: '6s' }),
  jobs: async () => ({ type: 'rabbitmq', url: (await sharedRabbitmq()).url, ordering: 'key' }),
} as const

export type Word = keyof typeof entries

export async function brokersOf(...words: readonly Word[]): Promise<Record<string, object>> {
  return Object.fromEntries(await Promise.all(words.map(async (word) => [word, await entries[word]()] as const)))
}

/** What a topic asks to be made with: several partitions wherever there are any. */
export function topicOn(word: Word): object {
  return { broker: word, ensure: word === 'jobs' ? {} : { partitions: 4 } }
}

export function keepsLog(word: Word): boolean {
  return word !== 'jobs'
}
