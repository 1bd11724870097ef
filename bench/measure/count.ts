import type { HttpSubject } from './lab.ts'

/** Whether a log holds what was acknowledged: no speed is had by losing events. */
export interface Count {
  readonly section: string
  readonly server: string
  readonly sent: number
  readonly acknowledged: number
  readonly stored: number
  readonly ok: boolean
}

export const wholeLog = '/v1/topics/bench/events?from=earliest'

/**
 * Reads the whole log. Only what keeps everything can be counted: in memory, retention takes away what is over its
 * 64 MiB.
 */
export async function countStored(section: string, subject: HttpSubject): Promise<Count> {
  const { outcome } = await subject.run({ kind: 'read', path: wholeLog, connections: 1, seconds: 0 })
  if (outcome.failure !== undefined) throw new Error(`The log could not be read: ${outcome.failure}`)
  return countOf(section, subject, outcome.events)
}

export function countOf(
  section: string,
  { kind, sent, acknowledged }: { kind: string; sent: number; acknowledged: number },
  stored: number,
): Count {
  return { section, server: kind, sent, acknowledged, stored, ok: acknowledged <= stored && stored <= sent }
}
