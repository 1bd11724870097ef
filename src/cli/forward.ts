import { createHash } from 'node:crypto'
import { request } from 'undici'
import { structuredType } from '../webhook/content.ts'
import type { Signer } from '../webhook/sign.ts'
import { wrongUse } from './exit.ts'
import { colours, print, printJson } from './io.ts'

/** As long as an endpoint may take by default. */
const timeoutMs = 15_000

export interface Forwarding {
  readonly topic: string
  readonly target: string
  readonly signer: Signer
  /** Stands for the subscription: with the event it makes the `webhook-id`. */
  readonly name: string
  readonly json: boolean
}

export interface Forwarded {
  /** The event in the JSON format: it is sent as it is. */
  readonly event: string
  readonly attempt: number
  /** When it is tried again, should it fail; undefined where it is not. */
  readonly retryMs: number | undefined
}

interface Outcome {
  readonly status?: number
  readonly error?: string
}

/** `localhost:3000/hooks` is short for a web address. */
export function targetOf(text: string): string {
  const url = /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw wrongUse(`--forward-to must be like http://localhost:3000/hooks, and not ${text}.`)
  }
  const { username, password, href } = new URL(url)
  if (username !== '' || password !== '') throw wrongUse('--forward-to must hold no user name and no password.')
  return href
}

/** Sends one event to the target and prints a line about it. Answers whether it was taken; rejects when the signal aborts. */
export async function forward(to: Forwarding, { event, attempt, retryMs }: Forwarded, signal: AbortSignal) {
  const { id, source, type } = JSON.parse(event) as Record<'id' | 'source' | 'type', string>
  const at = Date.now()
  const began = performance.now()
  const outcome = await post(to, event, webhookId(to, source, id), attempt, at, signal)
  const ms = Math.round(performance.now() - began)
  const taken = outcome.status !== undefined && outcome.status >= 200 && outcome.status < 300
  const retry = taken ? undefined : retryMs
  if (to.json) {
    const time = new Date(at).toISOString()
    printJson({
      event: 'delivery',
      time,
      id,
      type,
      attempt,
      ...outcome,
      ms,
      ...(retry !== undefined && { retryMs: retry }),
    })
  } else print(pretty({ at, id, type, attempt, outcome, taken, ms, retry }))
  return taken
}

/** The same on every attempt, in the form that the gateway's own have. */
function webhookId({ name, topic }: Forwarding, source: string, id: string): string {
  const digest = createHash('sha256').update(`${name}\n${topic}\n${source}\n${id}`).digest('base64url')
  return `dlv_${digest.slice(0, 32)}`
}

async function post(
  { target, signer }: Forwarding,
  event: string,
  id: string,
  attempt: number,
  at: number,
  signal: AbortSignal,
): Promise<Outcome> {
  const deadline = AbortSignal.timeout(timeoutMs)
  const body = Buffer.from(event)
  const timestamp = String(Math.floor(at / 1000))
  try {
    const { statusCode, body: answer } = await request(target, {
      method: 'POST',
      headers: {
        'content-type': structuredType,
        'user-agent': 'Sluice',
        'webhook-attempt': String(attempt),
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': signer.sign(id, timestamp, body, at),
      },
      body,
      signal: AbortSignal.any([signal, deadline]),
    })
    await answer.dump().catch(() => {})
    return { status: statusCode }
  } catch (error) {
    if (signal.aborted) throw error
    if (deadline.aborted) return { error: `no answer in ${timeoutMs / 1000}s` }
    return { error: causeOf(error) }
  }
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? String(error.code) : ''
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'connection refused',
    ECONNRESET: 'connection reset',
    ENOTFOUND: 'unknown host',
    UND_ERR_SOCKET: 'connection broke',
    UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  }
  return known[code] ?? (error.message || code)
}

interface Line {
  readonly at: number
  readonly id: string
  readonly type: string
  readonly attempt: number
  readonly outcome: Outcome
  readonly taken: boolean
  readonly ms: number
  readonly retry: number | undefined
}

function pretty({ at, id, type, attempt, outcome, taken, ms, retry }: Line): string {
  const said = outcome.status === undefined ? (outcome.error ?? '') : String(outcome.status)
  const result = taken ? colours.green(said) : colours.red(colours.bold(said))
  const tried = attempt > 1 ? colours.dim(` attempt ${attempt}`) : ''
  const again = retry === undefined ? '' : colours.yellow(` again in ${retry / 1000}s`)
  const time = new Date(at).toTimeString().slice(0, 8)
  return `${colours.dim(time)} ${result} ${colours.cyan(type)} ${id} ${colours.dim(`${ms}ms`)}${tried}${again}`
}
