import type { PublishResult } from '../core/broker.ts'
import { GatewayError } from '../core/errors.ts'
import type { Gateway } from './gateway.ts'
import { named } from './named.ts'
import { type ItemResult, newInstance, problem } from './problem.ts'

/** A result as JSON, by hand: this runs once an event. */
export function receipt(result: PublishResult): string {
  if (result.status !== 'stored') return JSON.stringify(itemOf(result))
  const position = result.position === undefined ? '' : `,"position":${JSON.stringify(result.position)}`
  const duplicate = result.duplicate === true ? ',"duplicate":true' : ''
  return `{"id":${JSON.stringify(result.id)},"status":"stored"${position}${duplicate}}`
}

/** A result as answers list it. Which capability lacks is a member of problems alone. */
export function itemOf(result: PublishResult): ItemResult {
  if (result.status === 'stored') return result
  const { id, status, error } = result
  return { id, status, error }
}

/** What publishing one event answers. */
export function answerOne(gateway: Gateway, topic: string, result: PublishResult): Response {
  if (result.status === 'stored') {
    // Topic names need no escaping. The receipt ends with a brace; the topic goes before it.
    const body = `${receipt(result).slice(0, -1)},"topic":"${topic}"}`
    return new Response(body, { headers: { 'content-type': 'application/json' } })
  }
  // Whatever an adapter names as the reason: what may be stored already is never told as a plain failure.
  const code = result.status === 'unknown' ? 'unknown_outcome' : result.error.code
  const { capability } = result
  const error = new GatewayError(code, result.error.detail, { ...(capability !== undefined && { capability }) })
  return problem(named(gateway, topic, error), newInstance(), { results: [itemOf(result)] })
}

export function countResults(gateway: Gateway, topic: string, results: readonly PublishResult[]): void {
  let stored = 0
  let duplicates = 0
  let failed = 0
  for (const result of results) {
    if (result.status === 'failed') failed++
    else if (result.status === 'stored' && result.duplicate === true) duplicates++
    else if (result.status === 'stored') stored++
  }
  const unknown = results.length - stored - duplicates - failed
  const { metrics } = gateway
  if (stored > 0) metrics.published(topic, 'stored', stored)
  if (duplicates > 0) metrics.published(topic, 'duplicate', duplicates)
  if (failed > 0) metrics.published(topic, 'failed', failed)
  if (unknown > 0) metrics.published(topic, 'unknown', unknown)
}
