import { CliError, exitCode } from './exit.ts'

export interface ClientOptions {
  readonly url?: string
}

export interface RequestOptions {
  readonly method?: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: NonNullable<RequestInit['body']>
  readonly signal?: AbortSignal
}

interface Problem {
  readonly code?: string
  readonly detail?: string
  readonly capability?: string
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[]
}

/** A refusal by the gateway; `retryable` where the same request may succeed later. */
export class Refused extends CliError {
  readonly retryable: boolean
  /** The problem's code, where the answer is one. */
  readonly problem: string | undefined
  /** What the broker lacks, where that is why. */
  readonly capability: string | undefined

  constructor(message: string, retryable: boolean, { code, capability }: Problem = {}) {
    super(exitCode.refused, message)
    this.retryable = retryable
    this.problem = code
    this.capability = capability
  }
}

/** Speaks to a gateway as its user does. */
export class Client {
  readonly base: string
  readonly #key: string | undefined

  constructor({ url }: ClientOptions, environment: NodeJS.ProcessEnv = process.env) {
    const given = url ?? (environment.SLUICE_URL || 'http://127.0.0.1:8080')
    if (!URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol)) {
      throw new CliError(
        exitCode.wrongUse,
        `${given} is no http address; --url or SLUICE_URL must be like http://127.0.0.1:8080.`,
      )
    }
    this.base = given.replace(/\/+$/, '')
    this.#key = environment.SLUICE_KEY || undefined
  }

  /** The answer, where it is a success. Throws Refused, or `unreachable` where there is no gateway. */
  async request(path: string, options: RequestOptions = {}): Promise<Response> {
    const response = await this.#fetch(path, options)
    if (response.ok) return response
    throw await refusal(response)
  }

  /** The whole text of a success. An answer that breaks off is as good as none: `unreachable`. */
  async read(path: string, options: RequestOptions = {}): Promise<string> {
    const response = await this.request(path, options)
    try {
      return await response.text()
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      throw new CliError(exitCode.unreachable, `The answer of ${this.base} broke off.`)
    }
  }

  /** The same, with a JSON body. */
  send(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<string> {
    const headers = { 'content-type': 'application/json' }
    return this.read(path, { method, headers, body: JSON.stringify(body), ...(signal !== undefined && { signal }) })
  }

  async #fetch(
    path: string,
    { method = 'GET', query = {}, headers = {}, body, signal }: RequestOptions,
  ): Promise<Response> {
    const url = new URL(this.base + path)
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value)
    const authorization = this.#key === undefined ? {} : { authorization: `Bearer ${this.#key}` }
    try {
      return await fetch(url, {
        method,
        headers: { ...authorization, ...headers },
        redirect: 'error',
        ...(body !== undefined && { body, duplex: 'half' }),
        ...(signal !== undefined && { signal }),
      })
    } catch (error) {
      if (signal?.aborted === true) throw error
      const cause = error instanceof Error ? error.cause : undefined
      const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
      const hint = "Is it running? 'sluice dev' starts one; --url or SLUICE_URL says where it is."
      throw new CliError(exitCode.unreachable, `No gateway answers at ${this.base}${code}. ${hint}`)
    }
  }
}

async function refusal(response: Response): Promise<Refused> {
  const retryable = response.status === 429 || response.status >= 502
  const text = await response.text().catch(() => '')
  const problem = parse(text)
  if (problem?.detail === undefined) return new Refused(`The gateway answered ${response.status}.`, retryable)
  const fields = (problem.errors ?? [])
    // What the sentence says already is not said again.
    .filter(({ detail }) => !problem.detail!.includes(detail))
    .map(({ pointer, detail }) => `\n  ${pointer}: ${detail}`)
  const hint = problem.code === 'unauthenticated' ? ' SLUICE_KEY is where the command line takes it from.' : ''
  const what = problem.capability === undefined ? problem.code : `${problem.code}: ${problem.capability}`
  return new Refused(`${problem.detail}${hint} (${what})${fields.join('')}`, retryable, problem)
}

function parse(text: string): Problem | undefined {
  try {
    return JSON.parse(text) as Problem
  } catch {
    return undefined
  }
}
