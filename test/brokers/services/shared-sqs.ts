import { inject } from 'vitest'
import type { SqsAccess } from './sqs.ts'

/** The run's emulators, which every worker that asks has in common; see global-sqs.ts. */
export async function sharedSqs(address = inject('sqs')): Promise<SqsAccess> {
  const answer = await fetch(address)
  if (!answer.ok) throw new Error(await answer.text())
  return (await answer.json()) as SqsAccess
}
