import type { Item, OnVerdict, Verdict } from './forms.ts'

interface Receipt {
  readonly id?: string | null
  readonly status?: string
  readonly position?: string
  readonly error?: { readonly code: string; readonly detail: string }
}

interface Answer extends Receipt {
  readonly results?: readonly Receipt[]
  readonly code?: string
  readonly detail?: string
}

/**
 * Reads the answer to a publish of `items` and says a verdict for each event that it covers; what gets none is unknown.
 * Throws where the gateway refuses what it must not.
 */
export async function readAnswer(response: Response, items: readonly Item[], onVerdict: OnVerdict): Promise<void> {
  const type = response.headers.get('content-type') ?? ''
  if (type.startsWith('application/x-ndjson')) return readReceipts(response, items, onVerdict)
  const text = await response.text()
  const answer = JSON.parse(text) as Answer
  if (answer.results !== undefined) {
    if (answer.results.length !== items.length)
      throw new Error(`${items.length} events, ${answer.results.length} results`)
    for (const [i, receipt] of answer.results.entries()) onVerdict(items[i]!, verdictOf(receipt))
    return
  }
  if (response.ok) return onVerdict(items[0]!, verdictOf(answer))
  // Another request with the same Idempotency-Key runs, or the gateway is overloaded: to be asked again.
  if (response.status === 409 || response.status === 429) return
  // A 5xx leaves open what happened.
  if (response.status >= 500) return
  throw new Error(`A publish was refused with ${response.status}: ${text}`)
}

/** Each receipt counts as soon as its line is complete: the connection may be gone before the next. */
async function readReceipts(response: Response, items: readonly Item[], onVerdict: OnVerdict): Promise<void> {
  const decoder = new TextDecoder()
  let text = ''
  let next = 0
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) {
      const receipt = JSON.parse(line) as Receipt & { summary?: unknown }
      if (receipt.summary !== undefined) continue
      onVerdict(items[next++]!, verdictOf(receipt))
    }
  }
}

function verdictOf({ id, status, position, error }: Receipt): Verdict {
  if (status === 'stored' && typeof id === 'string') {
    return { status, id, ...(position !== undefined && { position }) }
  }
  const detail = error === undefined ? `no status: ${status}` : `${error.code}: ${error.detail}`
  return { status: status === 'failed' ? 'failed' : 'unknown', detail }
}
