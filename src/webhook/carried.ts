import { Buffer } from 'node:buffer'
import type { Parcel } from '../core/parcel.ts'
import { type TraceContext, traceContextOf } from '../core/trace-context.ts'

const named = Buffer.from('"traceparent"')

/** The trace that an event carries. Whether there may be one is seen without reading the event: few carry any. */
export function carriedContext(parcel: Parcel): TraceContext | undefined {
  const mayCarry = parcel.isRead ? parcel.event.attributes.traceparent !== undefined : holds(parcel.bytes)
  return mayCarry ? traceContextOf(parcel.event) : undefined
}

export function pushContext({ traceparent, tracestate }: TraceContext, headers: string[]): void {
  headers.push('traceparent', traceparent)
  if (tracestate !== undefined) headers.push('tracestate', tracestate)
}

function holds({ buffer, byteOffset, length }: Uint8Array): boolean {
  return Buffer.from(buffer, byteOffset, length).includes(named)
}
