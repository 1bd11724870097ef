import type { SNSClient } from '@aws-sdk/client-sns'
import { SQSClient } from '@aws-sdk/client-sqs'
import { GatewayError } from '../../src/core/index.ts'
import type { Config } from './config.ts'
import { closed, translate } from './errors.ts'

type Options = { readonly abortSignal: AbortSignal }

/**
 * A connection that nobody uses is closed after so long: before a server does (Node's closes after 5 s), for a request that
 * meets the closing has no answer, and may have been done.
 */
const idleMs = 4000
/** Between two tries of what may be done twice. */
const pauseMs = { first: 100, most: 1000 }
/** How long what may be done twice is tried, where nobody sets another deadline. */
const patienceMs = 15_000

/** The one seam to AWS's SDK: its clients, without its retries, and their errors as the gateway's. */
export class Aws {
  readonly sqs: SQSClient
  /** Waiting for messages has connections of its own: it must not take those of publishing. */
  readonly polls: SQSClient
  readonly sns: SNSClient | undefined
  readonly timeoutMs: number
  readonly #closing = new AbortController()

  private constructor(sqs: SQSClient, polls: SQSClient, sns: SNSClient | undefined, timeoutMs: number) {
    this.sqs = sqs
    this.polls = polls
    this.sns = sns
    this.timeoutMs = timeoutMs
  }

  static async connect({ region, endpoint, credentials, sns, requestTimeout }: Config): Promise<Aws> {
    const settings = {
      region,
      // What may have been done is not done again unasked: retries are ours.
      maxAttempts: 1,
      requestHandler: { httpAgent: { timeout: idleMs }, httpsAgent: { timeout: idleMs } },
      ...(endpoint !== undefined && { endpoint }),
      ...(credentials !== undefined && {
        credentials: {
          accessKeyId: credentials.accessKeyId,
          secretAccessKey: credentials.secretAccessKey,
          ...(credentials.sessionToken !== undefined && { sessionToken: credentials.sessionToken }),
        },
      }),
    }
    const queues = { ...settings, useQueueUrlAsEndpoint: endpoint === undefined }
    const { SNSClient: Client } = sns ? await import('@aws-sdk/client-sns') : { SNSClient: undefined }
    const topics = Client === undefined ? undefined : new Client(settings)
    return new Aws(new SQSClient(queues), new SQSClient(queues), topics, requestTimeout)
  }

  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** One request. `action` is what IAM calls it. Settles soon after `signal` aborts. */
  async call<T>(
    action: string,
    request: (options: Options) => Promise<T>,
    signal?: AbortSignal,
    timeoutMs = this.timeoutMs,
  ): Promise<T> {
    if (this.closing.aborted) throw closed()
    const timeout = AbortSignal.timeout(timeoutMs)
    const signals = signal === undefined ? [timeout, this.closing] : [timeout, this.closing, signal]
    try {
      return await request({ abortSignal: AbortSignal.any(signals) })
    } catch (thrown) {
      throw translate(thrown, action)
    }
  }

  /** What may be done twice, until it succeeds, is refused for good, or the deadline is over. */
  async retry<T>(
    action: string,
    request: (options: Options) => Promise<T>,
    signal: AbortSignal = AbortSignal.timeout(patienceMs),
  ): Promise<T> {
    for (let wait = pauseMs.first; ; wait = Math.min(2 * wait, pauseMs.most)) {
      try {
        return await this.call(action, request, signal)
      } catch (thrown) {
        if (!(thrown instanceof GatewayError) || !thrown.retryable) throw thrown
        await pause(wait, AbortSignal.any([signal, this.closing]))
        if (this.closing.aborted) throw closed()
        if (signal.aborted) throw thrown
      }
    }
  }

  close(): void {
    this.#closing.abort()
    this.sqs.destroy()
    this.polls.destroy()
    this.sns?.destroy()
  }
}

/** Resolves after so long, with a share of chance, or when `signal` aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms * (0.5 + Math.random()))
    signal.addEventListener('abort', done, { once: true })
  })
}
