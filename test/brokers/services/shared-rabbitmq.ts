import { inject } from 'vitest'
import type { RabbitAccess } from './rabbitmq.ts'

/** The run's server, which every worker that asks has in common; see global-rabbitmq.ts. */
export async function sharedRabbitmq(address = inject('rabbitmq')): Promise<RabbitAccess> {
  const answer = await fetch(address)
  if (!answer.ok) throw new Error(await answer.text())
  return (await answer.json()) as RabbitAccess
}
