import { createHash } from 'node:crypto'
import type { Answer, Meddler } from '../../brokers/sqs/proxy.ts'

/** What becomes of one entry of a batch: it is answered in `Failed[]`, whether it was passed on or not. */
export interface Fault {
  readonly code: string
  readonly isSenders: boolean
  /** Whether the emulator gets it all the same: a service that fails may have done what it was asked for. */
  readonly isDone: boolean
}

/** The documented kinds. */
export const faults = {
  refused: { code: 'InvalidMessageContents', isSenders: true, isDone: false },
  throttled: { code: 'RequestThrottled', isSenders: false, isDone: false },
  failed: { code: 'InternalError', isSenders: false, isDone: false },
  doneAndFailed: { code: 'InternalError', isSenders: false, isDone: true },
  staleHandle: { code: 'ReceiptHandleIsInvalid', isSenders: true, isDone: false },
} as const satisfies Record<string, Fault>

interface Entry {
  readonly Id: string
}

/**
 * Lets entries of `action` fail inside of a 200. `choose` says of each entry, by its own text, how; undefined lets it be.
 */
export function failing(action: string, choose: (entry: string) => Fault | undefined): Meddler {
  const isSns = action === 'PublishBatch'
  /** By the request, until its answer came. */
  const chosen = new Map<string, Map<string, Fault>>()
  const choice = (body: string): Map<string, Fault> => {
    const known = chosen.get(body)
    if (known !== undefined) return known
    const entries = isSns ? formEntries(body) : jsonEntries(body)
    const fresh = new Map<string, Fault>()
    for (const [id, text] of entries) {
      const fault = choose(text)
      if (fault !== undefined) fresh.set(id, fault)
    }
    chosen.set(body, fresh)
    return fresh
  }
  return {
    before(asked) {
      if (asked.action !== action) return asked.body
      const dropped = new Set([...choice(asked.body)].filter(([, { isDone }]) => !isDone).map(([id]) => id))
      return isSns ? formWithout(asked.body, dropped) : jsonWithout(asked.body, dropped)
    },
    after(asked, answer) {
      if (asked.action !== action) return answer
      const given = choice(asked.body)
      chosen.delete(asked.body)
      if (given.size === 0) return answer
      return isSns ? xmlWith(answer, given) : jsonWith(answer, given)
    },
  }
}

/** Answers every `Failed[]` as if it were a success: what an adapter believes that does not read it. */
export function ignored(action: string): Meddler {
  return {
    after(asked, answer) {
      if (asked.action !== action) return answer
      if (action !== 'PublishBatch') {
        const { Successful = [], Failed = [] } = parse(answer)
        return {
          status: 200,
          body: JSON.stringify({ Successful: [...Successful, ...Failed.map(({ Id }) => successOf(Id, asked.body))] }),
        }
      }
      const failed = /<Failed>(.*?)<\/Failed>/s.exec(answer.body)?.[1] ?? ''
      const ids = [...failed.matchAll(/<Id>(.*?)<\/Id>/g)].map(
        ([, id]) => `<member><Id>${id}</Id><MessageId>m</MessageId></member>`,
      )
      const body = answer.body
        .replace(/<Failed>.*?<\/Failed>/s, '')
        .replace('</Successful>', `${ids.join('')}</Successful>`)
      return { ...answer, body }
    },
  }
}

/** Refuses the first `times` requests of `action` as a whole. */
export function throttling(action: string, times: number): Meddler & { readonly asked: number } {
  let asked = 0
  return {
    get asked() {
      return asked
    },
    instead: (request) => {
      if (request.action !== action || asked++ >= times) return undefined
      if (action !== 'PublishBatch') {
        const body = { __type: 'com.amazonaws.sqs#RequestThrottled', message: 'Rate exceeded' }
        return { status: 400, body: JSON.stringify(body) }
      }
      const error = '<Error><Type>Sender</Type><Code>Throttled</Code><Message>Rate exceeded</Message></Error>'
      return { status: 429, body: `<ErrorResponse>${error}</ErrorResponse>` }
    },
  }
}

interface BatchAnswer {
  readonly Successful?: readonly Entry[]
  readonly Failed?: readonly Entry[]
}

function parse({ body }: Answer): BatchAnswer {
  return JSON.parse(body) as BatchAnswer
}

/** The SDK compares the digest of a body with what it sent. */
function successOf(id: string, asked: string): Entry {
  const { Entries } = JSON.parse(asked) as { Entries: (Entry & { MessageBody?: string })[] }
  const body = Entries.find(({ Id }) => Id === id)?.MessageBody ?? ''
  return { Id: id, ...{ MessageId: 'm', MD5OfMessageBody: createHash('md5').update(body).digest('hex') } }
}

function jsonEntries(body: string): [id: string, text: string][] {
  const { Entries } = JSON.parse(body) as { Entries: Entry[] }
  return Entries.map((entry) => [entry.Id, JSON.stringify(entry)])
}

/** An emulator refuses a batch without entries: one that it cannot know stands for them. */
function jsonWithout(body: string, ids: ReadonlySet<string>): string {
  const { Entries, ...rest } = JSON.parse(body) as { Entries: Entry[] }
  return JSON.stringify({ ...rest, Entries: Entries.filter(({ Id }) => !ids.has(Id)) })
}

function jsonWith(answer: Answer, given: ReadonlyMap<string, Fault>): Answer {
  // Where nothing was left of the batch, the emulator refused the rest of it.
  const { Successful = [], Failed = [] } = answer.status === 200 ? parse(answer) : {}
  const failed = [...given].map(([Id, { code, isSenders }]) => {
    return { Id, Code: code, Message: 'a fault of the test', SenderFault: isSenders }
  })
  const body = { Successful: Successful.filter(({ Id }) => !given.has(Id)), Failed: [...Failed, ...failed] }
  return { status: 200, body: JSON.stringify(body) }
}

const member = /^PublishBatchRequestEntries\.(?:member|entry)\.(\d+)\./

function formEntries(body: string): [id: string, text: string][] {
  const places = Map.groupBy([...new URLSearchParams(body)], ([name]) => member.exec(name)?.[1] ?? '')
  places.delete('')
  return [...places.values()].map((fields) => {
    const id = fields.find(([name]) => /\d+\.Id$/.test(name))?.[1] ?? ''
    return [id, fields.map(([, value]) => value).join('\n')]
  })
}

function formWithout(body: string, ids: ReadonlySet<string>): string {
  const fields = [...new URLSearchParams(body)]
  const dropped = new Set(
    fields.filter(([name, value]) => /\d+\.Id$/.test(name) && ids.has(value)).map(([name]) => member.exec(name)?.[1]),
  )
  return new URLSearchParams(fields.filter(([name]) => !dropped.has(member.exec(name)?.[1] ?? ''))).toString()
}

function xmlWith(answer: Answer, given: ReadonlyMap<string, Fault>): Answer {
  const failed = [...given]
    .map(
      ([id, { code, isSenders }]) =>
        `<member><Id>${id}</Id><Code>${code}</Code><Message>a fault of the test</Message><SenderFault>${isSenders}</SenderFault></member>`,
    )
    .join('')
  const successful = answer.status === 200 ? (/<Successful>(.*?)<\/Successful>/s.exec(answer.body)?.[1] ?? '') : ''
  const left = successful.replace(/<member>.*?<\/member>/gs, (one) =>
    given.has(/<Id>(.*?)<\/Id>/.exec(one)?.[1] ?? '') ? '' : one,
  )
  const result = `<PublishBatchResult><Successful>${left}</Successful><Failed>${failed}</Failed></PublishBatchResult>`
  const body = `<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">${result}</PublishBatchResponse>`
  return { status: 200, body }
}
