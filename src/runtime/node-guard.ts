import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { GatewayError } from '../core/errors.ts'
import type { Limits } from '../core/limits.ts'
import { newInstance, problem } from '../http/problem.ts'

/** Headers of which a second one would be dropped or joined silently, and so mean what nobody sent. */
const single = new Set(['host', 'authorization', 'content-type', 'content-length', 'idempotency-key'])

/** Why a request is refused for its headers, before anything looks at them; undefined where it is not. */
export function headerFault(incoming: IncomingMessage, limits: Limits): GatewayError | undefined {
  const raw = incoming.rawHeaders
  if (raw.length > limits.headerCount * 2) return tooManyHeaders(limits)
  if (incoming.headers.host === undefined && incoming.httpVersion === '1.1') {
    return new GatewayError('invalid_argument', 'The header Host is missing.')
  }
  let seen: Set<string> | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase()
    if (!single.has(name) && !name.startsWith('ce-')) continue
    seen ??= new Set()
    if (seen.has(name)) return new GatewayError('invalid_argument', `The header ${name} is given twice.`)
    seen.add(name)
  }
  return undefined
}

function tooManyHeaders({ headerBytes, headerCount }: Limits): GatewayError {
  const detail = `At most ${headerCount} headers of ${headerBytes} bytes together are taken.`
  return new GatewayError('headers_too_large', detail)
}

/** How long a refused client may go on sending: closing at once would take the answer from it too. */
const lingerMs = 500

/** Answers with a problem, without the app. */
export async function answerProblem(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  error: GatewayError,
): Promise<void> {
  const response = problem(error, newInstance())
  const body = Buffer.from(await response.text())
  outgoing.once('finish', () => {
    if (incoming.complete) return
    incoming.resume()
    setTimeout(() => incoming.complete || incoming.socket.destroy(), lingerMs).unref()
  })
  outgoing.writeHead(response.status, { ...Object.fromEntries(response.headers), 'content-length': body.length })
  outgoing.end(body)
}

const answered = new WeakSet<Duplex>()

/** What the parser of Node refused, as an answer on the bare socket: Node's own has no body. */
export async function answerParserError(
  error: Error & { code?: string },
  socket: Duplex,
  limits: Limits,
): Promise<void> {
  // Where an answer has begun, a second one would be read as its body.
  const begun = (socket as { _httpMessage?: ServerResponse })._httpMessage?.headersSent === true
  if (answered.has(socket)) return
  if (error.code === 'ECONNRESET' || !socket.writable || begun) {
    socket.destroy()
    return
  }
  answered.add(socket)
  const response = problem(parserFault(error.code, limits), newInstance())
  const body = await response.text()
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const length = Buffer.byteLength(body)
  const head = `HTTP/1.1 ${response.status} Refused\r\n${headers}content-length: ${length}\r\nconnection: close\r\n\r\n`
  socket.end(head + body)
  setTimeout(() => socket.destroy(), lingerMs).unref()
}

function parserFault(code: string | undefined, limits: Limits): GatewayError {
  if (code === 'HPE_HEADER_OVERFLOW') return tooManyHeaders(limits)
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new GatewayError('invalid_argument', 'The headers took too long.')
  return new GatewayError('invalid_argument', 'This is no valid HTTP request.')
}
