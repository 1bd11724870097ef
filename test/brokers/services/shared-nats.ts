import { inject } from 'vitest'
import type { NatsDescription } from './nats.ts'

/** The run's servers of so many nodes, which every worker that asks has in common; see global-nats.ts. */
export async function sharedNats(nodes: 1 | 3 = 1, address = inject('nats')): Promise<NatsDescription> {
  const answer = await fetch(`${address}/${nodes}`)
  if (!answer.ok) throw new Error(await answer.text())
  return (await answer.json()) as NatsDescription
}
