// What all test files of a run have in common, each started when one of them first asks for it; see global.ts. Names of
// topics are therefore a test's own. Who kills, configures or floods a server starts one of its own instead.
import { inject } from 'vitest'
import { type KafkaAccess, type KafkaDescription, kafkaFrom } from './kafka.ts'
import type { NatsDescription } from './nats.ts'
import type { RabbitAccess } from './rabbitmq.ts'
import type { SqsAccess } from './sqs.ts'

export const sharedKafka = async (nodes: 1 | 3 = 3): Promise<KafkaAccess> =>
  kafkaFrom(await shared<KafkaDescription>(`kafka/${nodes}`))

export const sharedNats = (nodes: 1 | 3 = 1): Promise<NatsDescription> => shared(`nats/${nodes}`)

export const sharedRabbitmq = (): Promise<RabbitAccess> => shared('rabbitmq')

export const sharedSqs = (): Promise<SqsAccess> => shared('sqs')

/** The URL of an empty database of its own. */
export const sharedPostgres = async (): Promise<string> => (await shared<{ url: string }>('postgres')).url

async function shared<T>(name: string): Promise<T> {
  const answer = await fetch(`${inject('services')}/${name}`)
  if (!answer.ok) throw new Error(await answer.text())
  return (await answer.json()) as T
}
