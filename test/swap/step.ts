import { expect } from 'vitest'
import type { Ask } from '../http/lacks.ts'
import { type Able, expectation, type Need } from './expectation.ts'
import type { WatchedClient } from './watched-client.ts'

/**
 * Something that works where the capabilities say so, and is refused everywhere else: then each of `asks` must name the
 * capability that lacks, and `look` must show the same before and after.
 */
export async function step(
  client: WatchedClient,
  able: Able,
  needs: readonly Need[],
  asks: readonly Ask[],
  look: () => Promise<unknown>,
  works: () => Promise<void>,
): Promise<void> {
  const expected = expectation(able, needs)
  if (expected.works) return works()
  const before = await look()
  for (const ask of asks) await client.refused(expected.capability, ask)
  expect(await look()).toEqual(before)
}
