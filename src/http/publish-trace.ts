import type { PublishResult } from '../core/broker.ts'
import { toGatewayError } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import { type PublishTrace, readTraceContext, type TraceContext, withTraceContext } from '../core/trace-context.ts'
import type { Gateway } from './gateway.ts'

/**
 * The trace of one request that publishes. Where nothing is traced, what the request carries goes on with its events all
 * the same; where it carries nothing either, there is none of these, and events stay as they came.
 */
export class RequestTrace {
  readonly #context: TraceContext
  readonly #span: PublishTrace | undefined
  readonly #counts = { stored: 0, failed: 0, unknown: 0 }
  #id: string | undefined
  #error: string | undefined

  private constructor(context: TraceContext, span: PublishTrace | undefined) {
    this.#context = context
    this.#span = span
  }

  static begin({ tracer }: Gateway, topic: string, headers: Headers | undefined): RequestTrace | undefined {
    const caller = headers && readTraceContext(headers.get('traceparent'), headers.get('tracestate'))
    const span = tracer?.publish(topic, caller)
    const context = span?.context ?? caller
    return context === undefined ? undefined : new RequestTrace(context, span)
  }

  /** The event with a context: its own, or the one of this publish. */
  apply(event: Event): Event {
    const traced = withTraceContext(event, this.#context)
    if (traced === event) this.#span?.link(event)
    return traced
  }

  published(results: readonly PublishResult[]): void {
    if (results.length === 1) this.#id = results[0]!.id
    for (const result of results) {
      this.#counts[result.status]++
      if (result.status !== 'stored') this.#error = result.error.code
    }
  }

  failed(thrown: unknown): void {
    this.#error = toGatewayError(thrown).code
  }

  end(): void {
    if (this.#span === undefined) return
    const { stored, failed, unknown } = this.#counts
    const single = stored + failed + unknown === 1
    this.#span.end({
      ...this.#counts,
      ...(single && this.#id !== undefined && { id: this.#id }),
      ...(this.#error !== undefined && { error: this.#error }),
    })
  }
}
