import assert from 'node:assert/strict'
import type { PublishResult, SettleResult } from '../../src/core/broker.ts'
import { type ErrorCode, GatewayError, UnsupportedError } from '../../src/core/errors.ts'

/** Rejects with a GatewayError, and one of `codes` where any are given. */
export async function rejects(what: string, attempt: () => unknown, ...codes: readonly ErrorCode[]): Promise<void> {
  const thrown = await thrownBy(what, attempt)
  assert(thrown instanceof GatewayError, `${what}: rejected with ${describe(thrown)}, which is no GatewayError`)
  if (codes.length > 0) {
    assert(codes.includes(thrown.code), `${what}: refused with ${thrown.code}, not ${codes.join(' or ')}`)
  }
}

/** Refuses with an UnsupportedError that names one of `capabilities`. */
export async function refuses(what: string, attempt: () => unknown, ...capabilities: string[]): Promise<void> {
  const thrown = await thrownBy(what, attempt)
  assert(thrown instanceof UnsupportedError, `${what}: rejected with ${describe(thrown)}, which is no UnsupportedError`)
  assert(
    thrown.capability !== undefined && capabilities.includes(thrown.capability),
    `${what}: the refusal names ${thrown.capability}, not ${capabilities.join(' or ')}`,
  )
}

async function thrownBy(what: string, attempt: () => unknown): Promise<unknown> {
  try {
    await attempt()
  } catch (error) {
    return error
  }
  return assert.fail(`${what}: was not refused`)
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)
}

/** A publish that is answered with a rejection, or with results that say the same of every event. */
export async function publishFails(
  what: string,
  attempt: () => Promise<readonly PublishResult[]>,
  ...codes: readonly ErrorCode[]
): Promise<void> {
  await rejects(
    what,
    async () => {
      for (const result of await attempt()) {
        if (result.status === 'stored') return
        throw new GatewayError(result.error.code, result.error.detail)
      }
    },
    ...codes,
  )
}

/** A settlement that is refused by name: by a rejection, or by a failed result whose code is `unsupported`. */
export async function settleRefuses(
  what: string,
  attempt: () => Promise<readonly SettleResult[]>,
  ...capabilities: string[]
): Promise<void> {
  await refuses(
    what,
    async () => {
      for (const result of await attempt()) {
        if (result.status === 'ok') return
        const named = capabilities.find((name) => result.error.detail.includes(name)) ?? capabilities[0] ?? ''
        if (result.error.code === 'unsupported') throw new UnsupportedError(named, result.error.detail)
        throw new GatewayError(result.error.code, result.error.detail)
      }
    },
    ...capabilities,
  )
}

export function assertStored(results: readonly PublishResult[], expected: number): void {
  assert.equal(results.length, expected, 'publish answers one result per event')
  for (const result of results) {
    if (result.status !== 'stored') {
      assert.fail(`${result.id} was not stored: ${result.status}, ${result.error.code}: ${result.error.detail}`)
    }
  }
}

export function assertSettled(results: readonly SettleResult[], expected: number): void {
  assert.equal(results.length, expected, 'settle answers one result per settlement')
  for (const result of results) {
    if (result.status === 'failed') assert.fail(`not settled: ${result.error.code}: ${result.error.detail}`)
  }
}

export function assertLost(result: SettleResult | undefined, what: string): void {
  assert(result?.status === 'failed', `${what} succeeded`)
  assert.equal(result.error.code, 'lease_lost', what)
}
