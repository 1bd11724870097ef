import { readPosition } from '../../../adapters/kafka/position.ts'
import type { ReadEvent } from '../ledger.ts'
import type { Member } from './member.ts'

/** One delivery to one member. */
interface Reception {
  readonly member: Member
  readonly token: string
  readonly key: string
  readonly receivedAt: number
  readonly epoch: number
  handledAt?: number
  settledAt?: number
  /** Why it was not settled. */
  refused?: string
  revokedAt?: number
}

interface ConsumeViolation {
  readonly kind: 'missing' | 'unexpected' | 'again' | 'overlap' | 'reordered'
  readonly position: string
  readonly detail: string
}

export interface ConsumeReport {
  readonly members: number
  /** Events in the log. */
  readonly published: number
  readonly delivered: number
  readonly completed: number
  /** Handled by a member that was killed before it could say that it was settled, or that was told that it may not be. */
  readonly unknown: number
  /** Deliveries that were not settled, because the lease was lost. */
  readonly refused: number
  readonly violations: readonly ConsumeViolation[]
}

/**
 * Compares what all members of a group did, in their common time, with the log. With `answersLost` a commit may have been
 * stored by a coordinator that was killed before it said so: its member heard only that its lease was lost.
 */
export function checkCompletions(
  members: readonly Member[],
  log: readonly ReadEvent[],
  answersLost = false,
): ConsumeReport {
  const receptions = Map.groupBy(members.flatMap(receptionsOf), ({ position }) => position)
  const published = new Map(log.map(({ position, token }) => [position, token]))
  const violations: ConsumeViolation[] = []
  let completed = 0
  let unknown = 0
  let refused = 0
  let delivered = 0
  const completions: { position: string; key: string; at: number }[] = []
  for (const [position, token] of published) {
    const all = (receptions.get(position) ?? [])
      .map(({ reception }) => reception)
      .sort((a, b) => a.receivedAt - b.receivedAt)
    delivered += all.length
    refused += all.filter((one) => one.refused !== undefined).length
    const wrong = all.find((one) => one.token !== token)
    if (wrong !== undefined) violations.push({ kind: 'unexpected', position, detail: `${wrong.token}, not ${token}` })
    violations.push(...collisions(position, all))
    const done = all.filter((one) => one.settledAt !== undefined && one.handledAt !== undefined)
    if (done.length > 0) {
      completed++
      completions.push({ position, key: done[0]!.key, at: Math.min(...done.map(({ settledAt }) => settledAt!)) })
    } else if (all.some((one) => isUnknown(one, answersLost))) unknown++
    else violations.push({ kind: 'missing', position, detail: `${token} was delivered to ${fatesOf(all)}` })
  }
  for (const position of receptions.keys()) {
    if (!published.has(position)) violations.push({ kind: 'unexpected', position, detail: 'is not in the log' })
  }
  violations.push(...reordered(completions))
  return { members: members.length, published: log.length, delivered, completed, unknown, refused, violations }
}

function isUnknown({ handledAt, refused, member }: Reception, answersLost: boolean): boolean {
  if (handledAt === undefined) return false
  return refused === undefined ? member.hurtAt !== undefined : answersLost || refused !== 'lease_lost'
}

function receptionsOf(member: Member): { position: string; reception: Reception }[] {
  const all: { position: string; reception: Reception }[] = []
  const latest = new Map<string, Reception>()
  for (const report of member.reports) {
    const { event, at } = report
    if (event === 'received') {
      const { position, token, key, epoch } = report
      const reception = { member, token, key, epoch, receivedAt: at }
      latest.set(position, reception)
      all.push({ position, reception })
    } else if (event === 'handled') {
      latest.get(report.position)!.handledAt = at
    } else if (event === 'settled') {
      const reception = latest.get(report.position)!
      if (report.error === undefined) reception.settledAt = at
      else reception.refused = report.error
    } else if (event === 'revoked') {
      for (const { reception } of all) if (reception.epoch === report.epoch) reception.revokedAt ??= at
    }
  }
  return all
}

/** What was settled does not come again, and nobody gets what another one has. */
function* collisions(position: string, all: readonly Reception[]): Iterable<ConsumeViolation> {
  for (const [i, later] of all.entries()) {
    for (const earlier of all.slice(0, i)) {
      const names = `${earlier.member.name} and ${later.member.name}`
      if (earlier.settledAt !== undefined) {
        yield { kind: 'again', position, detail: `${names} had it, and the first one settled it` }
        continue
      }
      const over = Math.min(earlier.revokedAt ?? Infinity, earlier.member.hurtAt ?? Infinity)
      if (over > later.receivedAt) yield { kind: 'overlap', position, detail: `${names} had it at once` }
    }
  }
}

/** Events of a key are first completed in the order of the log. */
function* reordered(completions: readonly { position: string; key: string; at: number }[]): Iterable<ConsumeViolation> {
  for (const [key, all] of Map.groupBy(completions, (one) => one.key)) {
    const inLog = [...all].sort((a, b) => offsetOf(a.position) - offsetOf(b.position))
    for (let i = 1; i < inLog.length; i++) {
      const [before, after] = [inLog[i - 1]!, inLog[i]!]
      if (after.at >= before.at) continue
      const detail = `of key ${key} was completed before ${before.position}`
      yield { kind: 'reordered', position: after.position, detail }
    }
  }
}

function offsetOf(position: string): number {
  return readPosition(position)!.offset
}

function fatesOf(all: readonly Reception[]): string {
  const fates = all.map(({ member, handledAt, refused, revokedAt }) => {
    const handled = handledAt === undefined ? 'not handled' : 'handled'
    return `${member.name} (${handled}, ${refused ?? 'no answer'}${revokedAt === undefined ? '' : ', revoked'})`
  })
  return fates.join(', ') || 'nobody'
}
