import { colours } from './io.ts'

export interface Shown {
  readonly id: string
  readonly name?: string
  readonly topic: string
  readonly url: string
  readonly status: string
  readonly reason?: string
  readonly failingSince?: string
  readonly feed: string
  readonly state: { readonly breaker: string }
  readonly pending: { readonly events: number }
}

/** A subscription of a list, for people: what it is, and whatever is not as it should be. */
export function subscriptionLine(shown: Shown, now: number): string {
  const { id, name, topic, url, status, reason, failingSince, feed, state, pending } = shown
  const called = name === undefined ? '' : ` ${colours.bold(name)}`
  const is = status === 'active' ? colours.green(status) : colours.red(status)
  const troubles = [
    state.breaker === 'open' && colours.red('breaker open'),
    state.breaker === 'half-open' && colours.yellow('breaker half-open'),
    failingSince !== undefined && colours.red(`failing for ${span(now - Date.parse(failingSince))}`),
    feed !== 'attached' && colours.yellow(feed),
    pending.events > 0 && colours.yellow(`${pending.events} pending`),
    reason !== undefined && colours.red(reason),
  ].filter((one) => one !== false)
  return [`${id}${called} ${is} ${colours.cyan(topic)} → ${url}`, ...troubles].join(' · ')
}

/** About how long, in the greatest unit of which it is one at the least. */
function span(ms: number): string {
  const units = { d: 86_400_000, h: 3_600_000, m: 60_000 }
  for (const [unit, size] of Object.entries(units)) if (ms >= size) return `${Math.floor(ms / size)}${unit}`
  return `${Math.max(0, Math.floor(ms / 1000))}s`
}
