import { inject } from 'vitest'
import { type KafkaAccess, type KafkaDescription, kafkaFrom } from './kafka.ts'

/** The run's cluster of so many nodes, which every worker that asks has in common; see global-kafka.ts. */
export async function sharedKafka(nodes: 1 | 3 = 3, address = inject('kafka')): Promise<KafkaAccess> {
  const answer = await fetch(`${address}/${nodes}`)
  if (!answer.ok) throw new Error(await answer.text())
  return kafkaFrom((await answer.json()) as KafkaDescription)
}
