import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { DamageError } from '../errors.ts'
import type { Dead } from './dead.ts'
import type { Dedup } from './dedup.ts'
import type { Delayed } from './delayed.ts'
import type { Group, Groups } from './groups.ts'
import type { Retention } from './retention.ts'
import { type Query, query } from './sql.ts'
import type { Topic, Topics } from './topics.ts'

/** How often a round begins, and how many topics and groups one looks at. */
const roundMs = 1000
const roundTopics = 64
const roundGroups = 64
/** Settled leases of so much time are forgotten in one step. */
const forgetMs = 100

/** What has to be done without being asked for, in steps that no commit waits long for. */
export class Upkeep {
  readonly #topics: Topics
  readonly #groups: Groups
  readonly #delayed: Delayed
  readonly #retention: Retention
  readonly #dedup: Dedup
  readonly #dead: Dead
  readonly #firstDone: Query<[until: number | null]>
  readonly #forgetDone: StatementSync
  /** Topics that are due for retention now. */
  readonly #over = new Set<number>()
  #damage: DamageError | undefined
  #nextRound = 0
  #topicsSeen = 0
  #groupsSeen = 0

  constructor(
    db: DatabaseSync,
    topics: Topics,
    groups: Groups,
    delayed: Delayed,
    retention: Retention,
    dedup: Dedup,
    dead: Dead,
  ) {
    this.#topics = topics
    this.#groups = groups
    this.#delayed = delayed
    this.#retention = retention
    this.#dedup = dedup
    this.#dead = dead
    this.#firstDone = query(db, 'SELECT min(until) FROM done')
    this.#forgetDone = db.prepare('DELETE FROM done WHERE until < ?')
  }

  /** The first damage that was found. */
  get damage(): DamageError | undefined {
    return this.#damage ?? this.#delayed.damage
  }

  /** When there is something to do next. */
  get nextAt(): number {
    return this.#over.size > 0 ? 0 : Math.min(this.#nextRound, this.#delayed.nextDue)
  }

  /** The topic got events: retention may have to hurry. */
  grew(topic: Topic): void {
    if (this.#retention.isOver(topic)) this.#over.add(topic.number)
  }

  /** Does a part of what is due; answers the topics that got events by it. */
  step(now: number): number[] {
    const appended = this.#delayed.nextDue <= now ? this.#delayed.move(now) : []
    for (const number of this.#over) {
      const more = this.#retention.step(this.#topics.get(number), now)
      if (!more) this.#over.delete(number)
    }
    if (now >= this.#nextRound) {
      const more = this.#round(now)
      this.#nextRound = more ? now + 1 : now + roundMs
    }
    return appended
  }

  /** Answers whether something is left that should not wait for the next round. */
  #round(now: number): boolean {
    for (const topic of this.#nextTopics()) if (this.#retention.step(topic, now)) this.#over.add(topic.number)
    const groups = this.#groups.after(this.#groupsSeen, roundGroups)
    for (const { topic, group } of groups) this.#bury(topic, group)
    this.#groupsSeen = groups.length < roundGroups ? 0 : groups[groups.length - 1]!.group.id
    const expired = this.#dedup.expire(now)
    return this.#forget(now) || expired
  }

  /** What is damaged stays where it is, and does not hold up the rest. */
  #bury(topic: number, group: Group): void {
    try {
      this.#dead.sweep(topic, group)
    } catch (thrown) {
      if (!(thrown instanceof DamageError)) throw thrown
      this.#damage ??= thrown
    }
  }

  #nextTopics(): Topic[] {
    const topics = [...this.#topics]
    if (this.#topicsSeen >= topics.length) this.#topicsSeen = 0
    const next = topics.slice(this.#topicsSeen, this.#topicsSeen + roundTopics)
    this.#topicsSeen += roundTopics
    return next
  }

  #forget(now: number): boolean {
    const first = this.#firstDone.get()![0]
    if (first === null || first > now) return false
    this.#forgetDone.run(Math.min(first + forgetMs, now))
    return first + forgetMs < now
  }
}
