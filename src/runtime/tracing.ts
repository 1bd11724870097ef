import {
  type Attributes,
  type Context,
  createTraceState,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { type AttemptResult, succeeded } from '../core/delivery.ts'
import type { Event } from '../core/event.ts'
import {
  type PublishOutcome,
  type PublishTrace,
  type PublishTracer,
  type TraceContext,
  traceContextOf,
} from '../core/trace-context.ts'
import type { Span as AttemptSpan, ObservedAttempt } from '../delivery/context.ts'
import { hostOf } from './host.ts'

/** More links of one span than this say nothing more. */
const maxLinks = 64

/**
 * Spans as OpenTelemetry's conventions for messaging have them: one for a publish, whose context its events go on with,
 * and one for each attempt. A first attempt belongs to the trace of its event. A retry, hours later, and a replay begin
 * traces of their own that link to the event's; where the event's is not sampled, they are not either.
 */
export class Tracing implements PublishTracer {
  readonly #tracer: Tracer

  constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  publish(topic: string, caller: TraceContext | undefined): PublishTrace {
    const attributes = {
      'messaging.system': 'sluice',
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
      'messaging.destination.name': topic,
    }
    const span = this.#tracer.startSpan(
      `publish ${topic}`,
      { kind: SpanKind.PRODUCER, attributes },
      caller === undefined ? ROOT_CONTEXT : within(spanContextOf(caller)),
    )
    let links = 0
    return {
      context: contextOf(span),
      link(event) {
        const own = span.isRecording() && links++ < maxLinks ? traceContextOf(event) : undefined
        if (own !== undefined) span.addLink({ context: spanContextOf(own) })
      },
      end: (outcome) => endPublish(span, outcome),
    }
  }

  attempt(attempt: ObservedAttempt, event: Event): TracedAttempt {
    const { subscription, number, replay } = attempt
    const own = traceContextOf(event)
    const origin = own && spanContextOf(own)
    const apart = origin !== undefined && (number > 1 || replay !== undefined) && isSampled(origin)
    const links: Link[] = apart ? [{ context: origin }] : []
    const context = origin === undefined || apart ? ROOT_CONTEXT : within(origin)
    const name = `deliver ${subscription.topic}`
    const span = this.#tracer.startSpan(name, { kind: SpanKind.CLIENT, links }, context)
    if (span.isRecording()) span.setAttributes(attributesOf(attempt, event))
    return new TracedAttempt(span)
  }
}

/** The span of an attempt that runs. */
export class TracedAttempt implements AttemptSpan {
  readonly #span: Span
  readonly context: TraceContext
  /** What became of the delivery, as soon as that is known. */
  outcome = 'aborted'

  constructor(span: Span) {
    this.#span = span
    this.context = contextOf(span)
  }

  get traceId(): string {
    return this.#span.spanContext().traceId
  }

  end(result: AttemptResult): void {
    const span = this.#span
    if (span.isRecording()) {
      const { status, stage, error } = result
      span.setAttribute('sluice.outcome', this.outcome)
      if (status !== undefined) span.setAttribute('http.response.status_code', status)
      if (!succeeded(result)) {
        if (stage !== undefined) span.setAttribute('sluice.stage', stage)
        span.setAttribute('error.type', status === undefined ? (stage ?? 'unknown') : String(status))
        span.setStatus({ code: SpanStatusCode.ERROR, message: error! })
      }
    }
    span.end()
  }
}

function attributesOf({ subscription, id, number, replay }: ObservedAttempt, { attributes }: Event): Attributes {
  const { url, topic, name } = subscription
  const { host, port, plain } = hostOf(url)
  return {
    'messaging.system': 'sluice',
    'messaging.operation.name': 'deliver',
    'messaging.operation.type': 'send',
    'messaging.destination.name': topic,
    'messaging.destination.subscription.name': name ?? subscription.id,
    'messaging.message.id': attributes.id,
    'cloudevents.event_id': attributes.id,
    'cloudevents.event_source': attributes.source,
    'cloudevents.event_type': attributes.type,
    'http.request.method': 'POST',
    ...(number > 1 && { 'http.request.resend_count': number - 1 }),
    'url.full': plain,
    'server.address': host,
    'server.port': port,
    'sluice.subscription': subscription.id,
    'sluice.delivery': id,
    'sluice.attempt': number,
    ...(replay !== undefined && { 'sluice.replay': replay }),
  }
}

function endPublish(span: Span, { stored, failed, unknown, id, error }: PublishOutcome): void {
  if (span.isRecording()) {
    if (id !== undefined) span.setAttribute('messaging.message.id', id)
    else span.setAttribute('messaging.batch.message_count', stored + failed + unknown)
    if (failed > 0) span.setAttribute('sluice.failed', failed)
    if (unknown > 0) span.setAttribute('sluice.unknown', unknown)
    if (error !== undefined) {
      span.setAttribute('error.type', error)
      span.setStatus({ code: SpanStatusCode.ERROR })
    }
  }
  span.end()
}

function within(origin: SpanContext): Context {
  return trace.setSpanContext(ROOT_CONTEXT, origin)
}

function isSampled({ traceFlags }: SpanContext): boolean {
  return (traceFlags & TraceFlags.SAMPLED) !== 0
}

/** `traceparent` is a valid one of version 00. */
function spanContextOf({ traceparent, tracestate }: TraceContext): SpanContext {
  return {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    traceFlags: Number.parseInt(traceparent.slice(53, 55), 16),
    isRemote: true,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  }
}

function contextOf(span: Span): TraceContext {
  const own = span.spanContext()
  const traceparent = `00-${own.traceId}-${own.spanId}-${isSampled(own) ? '01' : '00'}`
  const tracestate = own.traceState?.serialize()
  return tracestate === undefined || tracestate === '' ? { traceparent } : { traceparent, tracestate }
}
