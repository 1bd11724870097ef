import type { Event } from './event.ts'

/** W3C Trace Context, as headers and as attributes of an event (CloudEvents extension "Distributed Tracing"). */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate?: string
}

/** What traces publishing. Implementations never throw and never wait. */
export interface PublishTracer {
  /** A publish begins; `caller` is what its request carried. */
  publish(topic: string, caller: TraceContext | undefined): PublishTrace
}

export interface PublishTrace {
  /** What events without a context of their own go on with. */
  readonly context: TraceContext
  /** An event of this publish that has its own. */
  link(event: Event): void
  end(outcome: PublishOutcome): void
}

export interface PublishOutcome {
  readonly stored: number
  readonly failed: number
  readonly unknown: number
  /** Of the event, where it was a single one. */
  readonly id?: string
  /** The code of what went wrong. */
  readonly error?: string
}

const known = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const printable = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/
/** Vendors need not pass on a longer one (Trace Context 1, section 3.3.1.5). */
const maxState = 512

/**
 * The context that two headers or attributes carry; undefined where `traceparent` is none, and then `tracestate` means
 * nothing. What a later version than 00 adds is left out, as section 4.2.2 asks of those that know only this one.
 */
export function readTraceContext(traceparent: unknown, tracestate: unknown): TraceContext | undefined {
  if (typeof traceparent !== 'string') return undefined
  const match = known.exec(traceparent)
  if (match === null) return undefined
  const [, version, trace, span, flags, more] = match
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (trace === '0'.repeat(32) || span === '0'.repeat(16)) return undefined
  const context = { traceparent: version === '00' ? traceparent : `00-${trace}-${span}-${flags}` }
  if (typeof tracestate !== 'string' || tracestate.length > maxState || !printable.test(tracestate)) return context
  return { ...context, tracestate }
}

/** The context that an event carries. */
export function traceContextOf({ attributes }: Event): TraceContext | undefined {
  const { traceparent } = attributes
  return traceparent === undefined ? undefined : readTraceContext(traceparent, attributes.tracestate)
}

/** Gives an event a context, unless it has one of its own: that one is never changed. */
export function withTraceContext(event: Event, context: TraceContext): Event {
  const { attributes } = event
  if (attributes.traceparent !== undefined || attributes.tracestate !== undefined) return event
  return { ...event, attributes: { ...attributes, ...context } }
}
