import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { GatewayError } from '../../../core/errors.ts'
import type { Outcome, Query, Sql, Statement, Value } from '../query.ts'
import { gaveWay, isAnswer, postgresError } from './errors.ts'
import { connect } from './pool.ts'

/** So often a transaction that gave way is run again. */
const attempts = 8
const pauseMs = 20

/** So many of those that wait for their turn go into one transaction. */
const maxTogether = 50

interface Waiting {
  readonly query: () => Query<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** How Postgres is told of a statement: under a name it is prepared once for each connection. */
interface Named {
  readonly name: string
  readonly text: string
}

export class PostgresSql implements Sql {
  readonly #pool: Pool
  readonly #where: string
  readonly #statements = new Map<string, Named>()
  readonly #running = new Set<Promise<unknown>>()
  #waiting: Waiting[] = []
  #draining: Promise<void> | undefined
  #closed = false

  constructor(pool: Pool, where: string) {
    this.#pool = pool
    this.#where = where
  }

  read<T>(query: () => Query<T>): Promise<T> {
    return this.#track(async () => {
      try {
        return await this.#drive(this.#pool, query())
      } catch (error) {
        throw postgresError(error, this.#where)
      }
    })
  }

  write<T>(query: () => Query<T>): Promise<T> {
    return this.#track(() => this.#transact(query))
  }

  writeInOrder<T>(query: () => Query<T>): Promise<T> {
    return this.#track(
      () =>
        new Promise<T>((resolve, reject) => {
          this.#waiting.push({ query, resolve: resolve as (value: unknown) => void, reject })
          this.#draining ??= this.#drain()
        }),
    )
  }

  /** Refuses what comes from now on, and resolves once everything before is settled. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#running)
  }

  async #track<T>(run: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new GatewayError('unavailable', 'The store is closed.')
    const running = run()
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, maxTogether)
      try {
        const outcomes = await this.#transact(() => together(batch))
        outcomes.forEach((outcome, index) => {
          if ('refusal' in outcome) batch[index]!.reject(outcome.refusal)
          else batch[index]!.resolve(outcome.value)
        })
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#draining = undefined
  }

  async #transact<T>(query: () => Query<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const client = await connect(this.#pool, this.#where)
      let broken = true
      try {
        const value = await this.#once(client, query)
        broken = false
        return value
      } catch (error) {
        if (isAnswer(error) || isRefusal(error)) broken = !(await undone(client))
        if (!gaveWay(error) || attempt === attempts) throw postgresError(error, this.#where)
      } finally {
        client.release(broken)
      }
      await sleep(Math.random() * pauseMs * attempt)
    }
  }

  async #once<T>(client: PoolClient, query: () => Query<T>): Promise<T> {
    await client.query('BEGIN')
    const value = await this.#drive(client, query())
    try {
      await client.query('COMMIT')
    } catch (error) {
      if (isAnswer(error)) throw error
      // The connection ended, and nobody knows on which side of the commit.
      const detail = 'The store did not say whether it has kept a change.'
      throw new GatewayError('unknown_outcome', detail, { cause: error })
    }
    return value
  }

  async #drive<T>(on: Pool | PoolClient, query: Query<T>): Promise<T> {
    let step = query.next()
    while (step.done !== true) step = query.next(await this.#outcome(on, step.value))
    return step.value
  }

  async #outcome(on: Pool | PoolClient, { sql, values }: Statement): Promise<Outcome> {
    const { rows, rowCount } = await on.query({ ...this.#named(sql), values: values.map(given) })
    return { rows, changes: rowCount ?? 0 }
  }

  #named(sql: string): Named {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    let count = 0
    const named = { name: `s${this.#statements.size}`, text: sql.replace(/\?/g, () => `$${++count}`) }
    this.#statements.set(sql, named)
    return named
  }
}

/** One after another. What throws a GatewayError has changed nothing, and does not disturb the others. */
function* together(batch: readonly Waiting[]): Query<({ value: unknown } | { refusal: GatewayError })[]> {
  const outcomes: ({ value: unknown } | { refusal: GatewayError })[] = []
  for (const { query } of batch) {
    try {
      outcomes.push({ value: yield* query() })
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      outcomes.push({ refusal: error })
    }
  }
  return outcomes
}

function isRefusal(error: unknown): boolean {
  return error instanceof GatewayError && error.code !== 'unknown_outcome'
}

/** Postgres takes no zero byte in a text. */
function given(value: Value): Value {
  return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value
}

/** Whether the connection can be used again. */
async function undone(client: PoolClient): Promise<boolean> {
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  )
}
