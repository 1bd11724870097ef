import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Clock } from '../../../src/core/clock.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { DamageError, type Failure, fromSqlite, toFailure } from '../errors.ts'
import { Appender, chunkBytes } from './append.ts'
import { Chunks } from './chunks.ts'
import { Dead } from './dead.ts'
import { Dedup } from './dedup.ts'
import { Delayed } from './delayed.ts'
import { Entries } from './entries.ts'
import { Groups } from './groups.ts'
import type { Input, Op, Operations, Output } from './operations.ts'
import { Intake } from './publish.ts'
import { Puller } from './pull.ts'
import { Retention } from './retention.ts'
import { pragma } from './schema.ts'
import { Settler } from './settle.ts'
import { Space } from './space.ts'
import { type Topic, type TopicInfo, Topics } from './topics.ts'
import { Upkeep } from './upkeep.ts'

export interface Call<K extends Op = Op> {
  readonly op: K
  readonly input: Input<K>
}

export type Reply<K extends Op = Op> = { readonly value: Output<K> } | { readonly failure: Failure }

export interface EngineOptions {
  readonly clock: Clock
  readonly memory: boolean
  readonly maxBytes: number | null
  /** How many bytes are left on the disk; null where there is none. */
  readonly diskFree: (() => number) | null
}

/** What `PRAGMA synchronous` says where a commit is flushed to the disk. */
const full = 2
/** How long upkeep pauses after it failed. */
const pauseMs = 1000

/**
 * All that writes to one database, synchronously. What runs together is one transaction: when `run` answers, it is as
 * durable as the database is set to be.
 */
export class Engine {
  readonly operations: Operations
  readonly chunks: Chunks
  readonly #clock: Clock
  readonly #topics: Topics
  readonly #entries: Entries
  readonly #dedup: Dedup
  readonly #delayed: Delayed
  readonly #space: Space
  readonly #upkeep: Upkeep
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #rollback: StatementSync
  readonly #db: DatabaseSync
  /** Whether commits are flushed to the disk, where the database is to be that durable. */
  #flushes: boolean
  readonly #mayFlush: boolean
  /** Why the database cannot be trusted any more. */
  #damage: DamageError | undefined
  #pausedUntil = 0
  #loaded = false

  constructor(db: DatabaseSync, { clock, memory, maxBytes, diskFree }: EngineOptions) {
    const now = () => clock.now()
    const nonce = nonces(clock)
    const topics = new Topics(db, clock, memory)
    const chunks = new Chunks(db)
    const entries = new Entries(db)
    const groups = new Groups(db, topics, chunks, entries, now)
    const dead = new Dead(db, groups, chunks, entries, now)
    const puller = new Puller(topics, groups, chunks, entries, dead, now, nonce)
    const settler = new Settler(db, groups, entries, dead, now, nonce)
    const appender = new Appender(db)
    const dedup = new Dedup(db, topics)
    const delayed = new Delayed(db, topics, appender, dedup)
    const space = new Space(db, maxBytes, diskFree, now)
    const intake = new Intake(topics, chunks, appender, dedup, delayed, space, now)
    const upkeep = new Upkeep(db, topics, groups, delayed, new Retention(db, groups, entries), dedup, dead)
    this.#clock = clock
    this.#topics = topics
    this.#entries = entries
    this.#dedup = dedup
    this.#delayed = delayed
    this.#space = space
    this.#upkeep = upkeep
    this.chunks = chunks
    this.#db = db
    this.#mayFlush = pragma(db, 'synchronous') === full
    this.#flushes = this.#mayFlush
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
    this.#rollback = db.prepare('ROLLBACK')
    this.operations = {
      topics: () => [...topics].map(infoOf),
      plan: ({ name, spec }) => topics.plan(name, spec),
      ensure: ({ name, spec }) => {
        const changes = topics.plan(name, spec)
        const window = topics.find(name)?.settings.dedupMs
        // What its window's table holds of it would be left behind there.
        if (window !== undefined && changes.some(({ field }) => field === 'dedupWindow')) dedup.flush(window, now())
        return { topic: infoOf(topics.ensure(name, spec)), changes }
      },
      publish: (input) => {
        const output = intake.publish(input)
        upkeep.grew(topics.get(input.topic))
        return output
      },
      groupCreate: (input) => groups.create(input),
      groupDescribe: (input) => groups.describe(input),
      groupList: ({ topic }) => groups.list(topic),
      hasDelayed: ({ topic }) => delayed.has(topic),
      groupDelete: (input) => {
        groups.delete(input)
        return null
      },
      groupSeek: (input) => {
        groups.seek(input)
        return null
      },
      pull: (input) => puller.pull(input),
      settle: (input) => settler.settle(input),
      deadList: (input) => dead.list(input),
      deadRedrive: (input) => dead.redrive(input),
      deadDelete: (input) => dead.delete(input),
      ping: () => {
        const damage = this.#damage ?? upkeep.damage
        if (damage !== undefined) throw damage
        space.check(chunkBytes)
        return null
      },
    }
    this.#load()
  }

  /**
   * Runs calls in one transaction and answers each. One that is refused does not touch the others; where the database
   * itself fails, all of it is taken back and each is tried again alone, so that only those fail that have to.
   */
  run(calls: readonly Call[]): Reply[] {
    try {
      // A lease that a crash of the machine takes back is an event that is handed out again, as at the end of the lease.
      this.#flush(calls.some(({ op }) => op !== 'pull'))
      this.#start()
    } catch (thrown) {
      const failure = toFailure(fromSqlite(thrown))
      return calls.map(() => ({ failure }))
    }
    try {
      return this.#finish(() => calls.map((call) => this.#one(call)))
    } catch (thrown) {
      if (calls.length > 1) return calls.flatMap((call) => this.run([call]))
      return [{ failure: toFailure(fromSqlite(thrown)) }]
    }
  }

  /** When `upkeep` has something to do next. */
  get upkeepAt(): number {
    return Math.max(this.#upkeep.nextAt, this.#pausedUntil)
  }

  /** Does a part of what is due without being asked for; answers the topics that got events by it. */
  upkeep(): number[] {
    const now = this.#clock.now()
    if (now < this.upkeepAt) return []
    try {
      this.#flush(true)
      this.#start()
      return this.#finish(() => this.#upkeep.step(now))
    } catch {
      this.#pausedUntil = now + pauseMs
      return []
    }
  }

  /** Whether the next commit is flushed, and with it all before it. */
  #flush(flushes: boolean): void {
    if (!this.#mayFlush || this.#flushes === flushes) return
    this.#db.exec(`PRAGMA synchronous = ${flushes ? 'FULL' : 'NORMAL'}`)
    this.#flushes = flushes
  }

  #start(): void {
    if (!this.#loaded) this.#load()
    this.#begin.run()
  }

  #finish<T>(work: () => T): T {
    try {
      const result = work()
      this.#commit.run()
      return result
    } catch (thrown) {
      const error = fromSqlite(thrown)
      if (error instanceof DamageError) this.#damage ??= error
      if (error.code === 'unavailable') this.#space.pause(error)
      this.#undo()
      throw error
    }
  }

  /** Operations refuse before they write anything; what fails on the way, damaged data too, spoils the transaction. */
  #one<K extends Op>({ op, input }: Call<K>): Reply<K> {
    const operation = this.operations[op] as (input: Input<K>) => Output<K>
    try {
      return { value: operation(input) }
    } catch (thrown) {
      if (thrown instanceof GatewayError && thrown.code !== 'internal') return { failure: toFailure(thrown) }
      throw thrown
    }
  }

  #undo(): void {
    // What is kept at hand says what was about to be.
    this.#loaded = false
    try {
      this.#rollback.run()
    } catch {
      // SQLite has rolled back by itself already (https://sqlite.org/lang_transaction.html).
    }
  }

  /** Reads again what is kept at hand. */
  #load(): void {
    this.chunks.forget()
    this.#entries.forget()
    this.#delayed.forget()
    this.#topics.load()
    this.#dedup.load(this.#clock.now(), (topic, time) => this.chunks.atTime(topic.number, time, topic))
    this.#loaded = true
  }
}

function infoOf({ number, name, incarnation, settings }: Topic): TopicInfo {
  return { number, name, incarnation, settings }
}

/** Numbers that nobody can guess, exact in a double. */
function nonces(clock: Clock): () => number {
  const pool = new Uint8Array(new ArrayBuffer(6 * 256))
  const view = new DataView(pool.buffer)
  let used = pool.length
  return () => {
    if (used === pool.length) {
      clock.random(pool)
      used = 0
    }
    const nonce = view.getUint32(used) * 0x1_0000 + view.getUint16(used + 4)
    used += 6
    return nonce
  }
}
