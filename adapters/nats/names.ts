import { createHash } from 'node:crypto'
import { type Event, GatewayError, keyOf } from '../../src/core/index.ts'

/** Of the 255 bytes that NATS gives a name, five are for `_DEAD`. */
const longestStream = 250

/**
 * Streams and consumers are called as topics and groups are, with `=` for each dot: their names have no dots, and the
 * gateway's have no `=`.
 */
export function natsName(name: string): string {
  return name.replaceAll('.', '=')
}

/**
 * The stream of a topic. What none can be called is refused before the server is asked: a space ends the subject of the
 * request, which nobody answers then.
 */
export function streamOf(topic: string): string {
  const stream = natsName(topic)
  if (/^[^\s*>/\\]+$/.test(stream) && Buffer.byteLength(stream) <= longestStream) return stream
  const detail = `NATS cannot call a stream ${JSON.stringify(topic)}: its names have at most ${longestStream} bytes, without spaces, *, >, / and \\. Give the topic another one there (name).`
  throw new GatewayError('invalid_argument', detail)
}

export function gatewayName(name: string): string {
  return name.replaceAll('=', '.')
}

/** What the gateway adds to a stream lies under subjects of its own, which no reader of the topic sees. */
const own = 'sluice'
/** Events that go to one group again. */
export const redriveSubject = (stream: string, consumer: string): string => `${own}.redrive.${stream}.${consumer}`
/** Events that are not due yet: `id` tells them apart. */
export const laterSubject = (stream: string, id: string): string => `${own}.later.${stream}.${id}`
/** Events that a group gave up. */
export const deadSubject = (stream: string, consumer: string): string => `${own}.dead.${stream}.${consumer}`
/** The stream that keeps them, for all groups of a topic. */
export const deadStream = (stream: string): string => `${stream}_DEAD`

export function isOwnSubject(subject: string): boolean {
  return subject.startsWith(`${own}.`)
}

const placeholder = /^\{(topic|type|subject|key)\}$/
/** A part of a subject that is longer than this is replaced by its hash: the server bounds the line. */
const longestToken = 200

/** How the subject of an event is made, such as `events.{topic}.{type}`. */
export class SubjectTemplate {
  readonly #tokens: readonly string[]

  constructor(template: string) {
    this.#tokens = template.split('.')
  }

  /** What a stream listens to, so that it gets every event of its topic. */
  pattern(stream: string): string {
    return this.#tokens
      .map((token) => {
        const name = placeholder.exec(token)?.[1]
        if (name === undefined) return token
        if (name === 'topic') return stream
        return name === 'type' ? '>' : '*'
      })
      .join('.')
  }

  of(stream: string, event: Event): string {
    return this.#tokens
      .map((token) => {
        const name = placeholder.exec(token)?.[1]
        if (name === undefined) return token
        if (name === 'topic') return stream
        if (name === 'type') return event.attributes.type.split('.').map(tokenOf).join('.')
        return tokenOf(name === 'key' ? keyOf(event) : (event.attributes.subject as string | undefined))
      })
      .join('.')
  }
}

/** Throws a sentence about what is wrong with a template. */
export function checkTemplate(template: string): void {
  const tokens = template.split('.')
  for (const [i, token] of tokens.entries()) {
    if (!/^[A-Za-z0-9_-]+$/.test(token) && !placeholder.test(token)) {
      throw new Error('must be words and {topic}, {type}, {subject} or {key}, joined by dots')
    }
    if (token === '{type}' && i < tokens.length - 1) throw new Error('must have {type} at its end: a type has dots')
  }
  if (!tokens.includes('{topic}')) throw new Error('must have {topic}: two topics cannot share a subject')
  if (tokens[0] === own) throw new Error(`must not begin with ${own}, which the gateway needs for itself`)
}

/** Any text as one part of a subject. What is missing is `_`. */
function tokenOf(text: string | undefined): string {
  if (text === undefined || text === '') return '_'
  if (/^[A-Za-z0-9_-]+$/.test(text) && text.length <= longestToken) return text
  const encoded = encodeURIComponent(text).replace(/[.*!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)
  return encoded.length <= longestToken ? encoded : `sha256-${createHash('sha256').update(text).digest('hex')}`
}

/** Whether a subject is one of those that a pattern stands for. */
export function matches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.')
  const tokens = subject.split('.')
  for (const [i, token] of wanted.entries()) {
    if (token === '>') return tokens.length > i
    if (tokens[i] === undefined || (token !== '*' && token !== tokens[i])) return false
  }
  return wanted.length === tokens.length
}
