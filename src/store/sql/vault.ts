import { GatewayError } from '../../core/errors.ts'
import type { Sql } from './query.ts'
import { Seal } from './seal.ts'
import { firstOf, storedSecret } from './secret.ts'

/** Under this name the store keeps a word that only the right key opens. */
export const checkName = 'seal'
const checkWord = 'sluice'

/** The seal of a store, made when it is first needed. */
export class Vault {
  readonly #sql: Sql
  readonly #where: string
  readonly #keyOf: () => Promise<string>
  #seal: Promise<Seal> | undefined

  /** `where` names the store in messages; `keyOf` answers with the text of the key. */
  constructor(sql: Sql, where: string, keyOf: () => Promise<string>) {
    this.#sql = sql
    this.#where = where
    this.#keyOf = keyOf
  }

  /** Whether something was sealed before. */
  async used(): Promise<boolean> {
    return (await this.#sql.read(() => storedSecret(checkName))) !== undefined
  }

  /** Rejects with `misconfigured` where the store was sealed with another key. */
  seal(): Promise<Seal> {
    this.#seal ??= this.#make().catch((error: unknown) => {
      this.#seal = undefined
      throw error
    })
    return this.#seal
  }

  async #make(): Promise<Seal> {
    const seal = new Seal(await this.#keyOf())
    const check = await this.#sql.write(() => firstOf(checkName, seal.close(checkWord, checkName)))
    requireRightKey(seal, check, this.#where)
    return seal
  }
}

/** Throws `misconfigured` where `check`, which the store keeps under `checkName`, was sealed with another key. */
export function requireRightKey(seal: Seal, check: Uint8Array, where: string): void {
  if (seal.open(check, checkName) !== checkWord) throw wrongKey(where)
}

export function wrongKey(where: string): GatewayError {
  return new GatewayError(
    'misconfigured',
    `The secrets in the store ${where} were sealed with another key: give encryptionKey the value that it had before.`,
  )
}
