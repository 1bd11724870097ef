import type { PublishResult } from '../../core/broker.ts'
import { GatewayError, type ItemError, invalid, toGatewayError, UnsupportedError } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { type Defaults, parseStructured } from '../../core/structured.ts'
import { BrokenKeys, type OpenTopic } from '../../core/topic.ts'
import { budgetOf, chunksOf, refuseEncoding, type Share } from '../body.ts'
import { LineSplitter } from '../lines.ts'
import { Outlet } from '../outlet.ts'
import { withKey } from '../publish-forms.ts'
import { RequestTrace } from '../publish-trace.ts'
import { countResults, receipt } from '../receipts.ts'
import { type Call, ending } from '../route.ts'

/** What a publish asks for beside its events. */
export interface PublishIntent {
  readonly delayMs: number
  readonly atomic: boolean
}

/** What may wait while the lines before it are being stored: the longer that takes, the more goes together next. */
const gatheredBytes = 256 << 10

/** Receipts that may wait for a client that sends before it reads. */
const receiptBytes = 4 << 20

/**
 * Publishes a stream of events, a structured CloudEvent a line, and answers with a receipt a line, in order, as each is
 * acknowledged, then a summary. Lines are parsed while those before them are being stored. A bad line fails alone.
 */
export async function publishLines(
  call: Call,
  known: OpenTopic | undefined,
  intent: PublishIntent,
  key: string | undefined,
  defaults: Defaults,
): Promise<Response> {
  if (intent.atomic) throw new UnsupportedError('atomicPublishMax', 'A stream of lines cannot be stored all or none.')
  if (call.request.headers.has('idempotency-key')) {
    throw invalid('/idempotency-key', 'A stream takes no Idempotency-Key; give every event an id.')
  }
  refuseEncoding(call.request)
  const topic = known ?? (await call.gateway.topics.create(call.context.req.param('topic') ?? ''))
  const trace = RequestTrace.begin(call.gateway, topic.name, call.request.headers)
  const out = new Outlet(receiptBytes)
  const share = budgetOf(call.gateway).share()
  const stream = new LineStream(call, topic, intent, key, defaults, out, trace)
  stream.run(share).finally(() => {
    share.hold(0)
    trace?.end()
  })
  return new Response(out.readable, { headers: { 'content-type': 'application/x-ndjson' } })
}

/** A line's place in the answer: the event that it was, with its size, or why it was none. */
type Line = { readonly event: Event; readonly size: number } | ItemError

class LineStream {
  readonly #call: Call
  readonly #topic: OpenTopic
  readonly #intent: PublishIntent
  readonly #key: string | undefined
  readonly #defaults: Defaults
  readonly #out: Outlet
  readonly #trace: RequestTrace | undefined
  readonly #broken = new BrokenKeys()
  readonly #encoder = new TextEncoder()
  readonly #summary = { stored: 0, failed: 0, unknown: 0 }
  #waiting: Line[] = []
  #waitingBytes = 0
  #storing: Promise<void> | undefined
  #storingBytes = 0

  constructor(
    call: Call,
    topic: OpenTopic,
    intent: PublishIntent,
    key: string | undefined,
    defaults: Defaults,
    out: Outlet,
    trace: RequestTrace | undefined,
  ) {
    this.#call = call
    this.#topic = topic
    this.#intent = intent
    this.#key = key
    this.#defaults = defaults
    this.#out = out
    this.#trace = trace
  }

  /** Never rejects. Where the body breaks off, the summary is missing, and what has no receipt is unknown. */
  async run(share: Share): Promise<void> {
    const { gateway, request } = this.#call
    const splitter = new LineSplitter(gateway.limits.line)
    let whole = false
    try {
      if (request.body !== null) {
        for await (const chunk of chunksOf(request.body, gateway.limits.idle, ending(this.#call))) {
          share.hold(this.#heldBytes + splitter.carried + chunk.length)
          this.#gather(this.#parse(splitter.push(chunk)), chunk.length)
          if (this.#waitingBytes >= gatheredBytes) await this.#storing
          share.hold(this.#heldBytes + splitter.carried)
        }
      }
      whole = true
    } catch {
      // It stalled, the client went away, the gateway stops or holds too much: what was sent before gets its receipts.
    }
    try {
      if (whole) this.#gather(this.#parse(splitter.end()), 0)
      while (this.#storing !== undefined) await this.#storing
      if (whole) this.#out.write(this.#encoder.encode(`${JSON.stringify({ summary: this.#summary })}\n`))
      this.#out.close()
    } catch (error) {
      this.#out.fail(error as Error)
    }
  }

  get #heldBytes(): number {
    return this.#storingBytes + this.#waitingBytes
  }

  /** Lines wait while others are being stored, one lot after the other: so the keys of the stream stay in order. */
  #gather(lines: readonly Line[], bytes: number): void {
    for (const line of lines) this.#waiting.push(line)
    this.#waitingBytes += bytes
    if (this.#storing === undefined) this.#begin()
  }

  #begin(): void {
    const lines = this.#waiting
    this.#waiting = []
    this.#storingBytes = this.#waitingBytes
    this.#waitingBytes = 0
    this.#storing = this.#store(lines).then(() => {
      this.#storing = undefined
      this.#storingBytes = 0
      if (this.#waiting.length > 0) this.#begin()
    })
    // It is met where the stream ends, or waits; until then an early rejection must not count as unhandled.
    this.#storing.catch(() => {})
  }

  #parse(lines: readonly (Uint8Array | 'too-long')[]): Line[] {
    const { limits } = this.#call.gateway
    const parsed: Line[] = []
    for (const line of lines) {
      try {
        if (line === 'too-long') throw new GatewayError('too_large', `A line has at most ${limits.line} bytes.`)
        const keyed = withKey(parseStructured(line, 0, line.length, limits.depth, this.#defaults), this.#key)
        const event = this.#trace?.apply(keyed) ?? keyed
        parsed.push({ event, size: this.#topic.publisher.checkSize(event) })
      } catch (error) {
        parsed.push(toGatewayError(error).toItem())
      }
    }
    return parsed
  }

  async #store(lines: readonly Line[]): Promise<void> {
    if (lines.length === 0) return
    const events: Event[] = []
    let bytes = 0
    const places: (PublishResult | ItemError | undefined)[] = lines.map((line) => {
      if (!('event' in line)) return line
      const refusal = this.#broken.refusal(line.event)
      if (refusal !== undefined) return refusal
      events.push(line.event)
      bytes += line.size
      return undefined
    })
    const results = events.length === 0 ? [] : await this.#publish(events, bytes)
    let next = 0
    let text = ''
    for (const place of places) {
      const result = place ?? results[next++]!
      if ('status' in result) {
        this.#summary[result.status]++
        text += `${receipt(result)}\n`
      } else {
        this.#summary.failed++
        text += `${JSON.stringify({ id: null, status: 'failed', error: result })}\n`
      }
    }
    if (!(await this.#out.room(this.#call.gateway.limits.idle))) throw new Error('Nobody reads the receipts.')
    this.#out.write(this.#encoder.encode(text))
  }

  async #publish(events: readonly Event[], bytes: number): Promise<readonly PublishResult[]> {
    const { delayMs } = this.#intent
    const results = await this.#topic.publisher.publish(events, { delayMs, bytes, paced: true })
    if (results.some(({ status }) => status !== 'stored')) this.#broken.note(events, results)
    this.#trace?.published(results)
    countResults(this.#call.gateway, this.#topic.name, results)
    return results
  }
}
