import type { AttributeValue } from './event.ts'

/**
 * Which events a subscription wants: the dialects of the CloudEvents Subscriptions API (section 3.2.4.1), and `data`. In
 * each map every entry must match. A list of filters is an `all` of them; an empty one matches everything.
 */
export type Filter =
  | { readonly exact: Readonly<Record<string, string>> }
  | { readonly prefix: Readonly<Record<string, string>> }
  | { readonly suffix: Readonly<Record<string, string>> }
  | { readonly all: readonly Filter[] }
  | { readonly any: readonly Filter[] }
  | { readonly not: Filter }
  /** By JSON Pointer (RFC 6901) into JSON data: one value, or any of several. */
  | { readonly data: Readonly<Record<string, DataValue | readonly DataValue[]>> }

export type DataValue = AttributeValue | null
