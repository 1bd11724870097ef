import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type Clock, GatewayError } from '../../../src/core/index.ts'
import { type Failure, fromSqlite, toFailure } from '../errors.ts'
import { Appender } from './append.ts'
import { Chunks } from './chunks.ts'
import { Dead } from './dead.ts'
import { Entries } from './entries.ts'
import { Groups } from './groups.ts'
import type { Input, Op, Operations, Output } from './operations.ts'
import { Intake } from './publish.ts'
import { Puller } from './pull.ts'
import { Settler } from './settle.ts'
import { Topics } from './topics.ts'

export interface Call<K extends Op = Op> {
  readonly op: K
  readonly input: Input<K>
}

export type Reply<K extends Op = Op> = { readonly value: Output<K> } | { readonly failure: Failure }

export interface EngineOptions {
  readonly clock: Clock
  readonly memory: boolean
}

/**
 * All that writes to one database, synchronously. What runs together is one transaction: when `run` answers, it is as
 * durable as the database is set to be.
 */
export class Engine {
  readonly operations: Operations
  readonly chunks: Chunks
  readonly #topics: Topics
  readonly #entries: Entries
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #rollback: StatementSync

  constructor(db: DatabaseSync, { clock, memory }: EngineOptions) {
    const now = () => clock.now()
    const nonce = nonces(clock)
    const topics = new Topics(db, clock, memory)
    const chunks = new Chunks(db)
    const entries = new Entries(db)
    const groups = new Groups(db, topics, chunks, entries, now)
    const dead = new Dead(db, groups, chunks, entries, now)
    const puller = new Puller(topics, groups, chunks, entries, dead, now, nonce)
    const settler = new Settler(db, groups, entries, dead, now, nonce)
    const intake = new Intake(topics, new Appender(db), now)
    this.#topics = topics
    this.#entries = entries
    this.chunks = chunks
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
    this.#rollback = db.prepare('ROLLBACK')
    this.operations = {
      topics: () =>
        [...topics].map(({ number, name, incarnation, settings }) => ({ number, name, incarnation, settings })),
      plan: ({ name, spec }) => topics.plan(name, spec),
      ensure: ({ name, spec }) => {
        const changes = topics.plan(name, spec)
        const { number, incarnation, settings } = topics.ensure(name, spec)
        return { topic: { number, name, incarnation, settings }, changes }
      },
      publish: (input) => intake.publish(input),
      groupCreate: (input) => groups.create(input),
      groupDescribe: (input) => groups.describe(input),
      groupList: ({ topic }) => groups.list(topic),
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
      ping: () => null,
    }
    topics.load()
  }

  /**
   * Runs calls in one transaction and answers each. One that is refused does not touch the others; where the database
   * itself fails, all of it is taken back and each is tried again alone, so that only those fail that have to.
   */
  run(calls: readonly Call[]): Reply[] {
    try {
      this.#begin.run()
      const replies = calls.map((call) => this.#one(call))
      this.#commit.run()
      return replies
    } catch (thrown) {
      this.#undo()
      if (calls.length > 1) return calls.flatMap((call) => this.run([call]))
      return [{ failure: toFailure(fromSqlite(thrown)) }]
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

  /** What is kept at hand says what was about to be; it is read again. */
  #undo(): void {
    try {
      this.#rollback.run()
    } catch {
      // SQLite has rolled back by itself already (https://sqlite.org/lang_transaction.html).
    }
    this.chunks.forget()
    this.#entries.forget()
    this.#topics.load()
  }
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
