import type { Token } from './oauth.ts'

/** The token of one subscription: asked for when it is needed, once for all who wait. */
export class Tokens {
  readonly #fetch: () => Promise<Token>
  readonly #now: () => number
  #token: Token | undefined
  #fetching: Promise<Token> | undefined

  constructor(fetch: () => Promise<Token>, now: () => number) {
    this.#fetch = fetch
    this.#now = now
  }

  /** A token that has not ended and is another than `refused`. */
  async get(refused: string | undefined): Promise<string> {
    const token = this.#token
    if (token !== undefined && token.value !== refused && token.until > this.#now()) return token.value
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined
    })
    this.#token = await this.#fetching
    return this.#token.value
  }
}
