import { sharedKafka, sharedNats, sharedRabbitmq, sharedSqs } from '../brokers/services/shared.ts'

async function sqs(service: 'queues' | 'topics', more: object): Promise<object> {
  const { [service]: endpoint } = await sharedSqs()
  const credentials = { accessKeyId: 'bridges', secretAccessKey: 'bridges' }
  return { type: 'sqs', region: 'eu-west-1', endpoint, credentials, fifo: true, ...more }
}

/** What stands under `brokers`, by the word that topics say. All of them keep the order of keys. */
const entries = {
  local: async () => ({ type: 'embedded', path: 'log.db' }),
  other: async () => ({ type: 'embedded', memory: true }),
  main: async () => ({ type: 'kafka', bootstrap: [...(await sharedKafka(1)).bootstrap], sessionTimeout: '6s' }),
  jobs: async () => ({ type: 'rabbitmq', url: (await sharedRabbitmq()).url, ordering: 'key' }),
  fast: async () => {
    const { servers, user, password } = await sharedNats()
    return { type: 'nats', servers: [...servers], user, password, ordering: 'key' }
  },
  queues: () => sqs('queues', {}),
  topics: () => sqs('topics', { sns: true }),
} as const

export type Word = keyof typeof entries

export async function brokersOf(...words: readonly Word[]): Promise<Record<string, object>> {
  return Object.fromEntries(await Promise.all(words.map(async (word) => [word, await entries[word]()] as const)))
}

/** What a topic asks to be made with: several partitions wherever there are any. */
export function topicOn(word: Word): object {
  const hasPartitions = word === 'local' || word === 'other' || word === 'main'
  return { broker: word, ensure: hasPartitions ? { partitions: 4 } : {} }
}

export function keepsLog(word: Word): boolean {
  return word !== 'jobs' && word !== 'queues' && word !== 'topics'
}
