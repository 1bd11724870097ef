import { inject } from 'vitest'

/** The URL of an empty database of the run's Postgres, which all workers have in common; see global-postgres.ts. */
export async function sharedPostgres(address = inject('postgres')): Promise<string> {
  const answer = await fetch(address)
  if (!answer.ok) throw new Error(await answer.text())
  return answer.text()
}
