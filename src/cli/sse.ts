export interface ServerSentEvent {
  readonly data: string | undefined
  /** The place after it. */
  readonly id: string | undefined
}

/** The events of a `text/event-stream`, comments left out. Ends where the stream ends, also in the middle of an event. */
export async function* readServerSentEvents(stream: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  let data: string[] = []
  let id: string | undefined
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const text = line.endsWith('\r') ? line.slice(0, -1) : line
      if (text === '') {
        if (data.length > 0 || id !== undefined) yield { data: data.length > 0 ? data.join('\n') : undefined, id }
        data = []
        id = undefined
        continue
      }
      const colon = text.indexOf(':')
      const field = colon < 0 ? text : text.slice(0, colon)
      const value = colon < 0 ? '' : text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1)
      if (field === 'data') data.push(value)
      if (field === 'id') id = value
    }
  }
}
