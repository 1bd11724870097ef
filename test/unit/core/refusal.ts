import { expect } from 'vitest'
import { GatewayError } from '../../../src/core/errors.ts'

/** The GatewayError that `act` throws or rejects with; anything else fails the test. */
export async function refusal(act: () => unknown): Promise<GatewayError> {
  try {
    await act()
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError)
    return error as GatewayError
  }
  return expect.fail('It was not refused.')
}

/** The pointers of the refusal of a field. */
export async function pointersOf(act: () => unknown): Promise<string[]> {
  const error = await refusal(act)
  expect(error.code).toBe('invalid_argument')
  return (error.errors ?? []).map(({ pointer }) => pointer)
}
