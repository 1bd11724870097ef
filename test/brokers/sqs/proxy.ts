import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** One request to AWS, as the proxy sees it. */
export interface Asked {
  /** Such as `SendMessageBatch`. */
  readonly action: string
  /** The id of the access key that signed it. */
  readonly key: string
  readonly body: string
}

export interface Answer {
  readonly status: number
  readonly body: string
}

/** What the proxy does with a request besides passing it on. */
export interface Meddler {
  /** An answer of its own, instead of asking. Undefined passes the request on. */
  instead?(asked: Asked): Promise<Answer | undefined> | Answer | undefined
  /** Changes what is asked. */
  before?(asked: Asked): string
  /** Changes what was answered, or holds it back until it resolves. */
  after?(asked: Asked, answer: Answer): Promise<Answer> | Answer
}

/** Stands before an emulator on loopback, and lies where it is told to. */
export class AwsProxy {
  readonly endpoint: string
  /** How often each access key was used. */
  readonly requests = new Map<string, number>()
  readonly meddlers = new Set<Meddler>()
  readonly #close: () => Promise<void>

  private constructor(port: number, close: () => Promise<void>) {
    this.endpoint = `http://127.0.0.1:${port}`
    this.#close = close
  }

  static async before(target: string): Promise<AwsProxy> {
    // Before the emulator closes what is idle: a request that meets the closing has no answer.
    const agent = new Agent({ keepAlive: true, timeout: 4000 })
    const server = createServer((incoming, outgoing) => {
      proxy.#pass(incoming, outgoing, target, agent).catch(() => outgoing.destroy())
    })
    server.listen(0, '127.0.0.1').unref()
    await once(server, 'listening')
    const proxy = new AwsProxy((server.address() as AddressInfo).port, async () => {
      server.close()
      server.closeAllConnections()
      agent.destroy()
      await once(server, 'close')
    })
    return proxy
  }

  close(): Promise<void> {
    return this.#close()
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse, target: string, agent: Agent): Promise<void> {
    const body = await text(incoming)
    const asked = { action: actionOf(incoming, body), key: keyOf(incoming), body }
    this.requests.set(asked.key, (this.requests.get(asked.key) ?? 0) + 1)
    for (const meddler of this.meddlers) {
      const own = await meddler.instead?.(asked)
      if (own !== undefined) return send(outgoing, own, incoming)
    }
    let changed = body
    for (const meddler of this.meddlers) changed = meddler.before?.({ ...asked, body: changed }) ?? changed
    // The emulators do not look at the signature, which a changed body has not.
    const { host: _, 'content-length': __, ...headers } = incoming.headers
    const passed = request(target + incoming.url, { method: incoming.method, headers, agent })
    passed.end(changed)
    const [answered] = (await once(passed, 'response')) as [IncomingMessage]
    let answer: Answer = { status: answered.statusCode ?? 500, body: await text(answered) }
    for (const meddler of this.meddlers) answer = (await meddler.after?.(asked, answer)) ?? answer
    send(outgoing, answer, answered)
  }
}

/** SQS names the action in a header, SNS in its form. */
function actionOf({ headers }: IncomingMessage, body: string): string {
  const target = headers['x-amz-target']
  return typeof target === 'string' ? target.replace(/^.*\./, '') : (new URLSearchParams(body).get('Action') ?? '')
}

function keyOf({ headers }: IncomingMessage): string {
  return /Credential=([^/]+)\//.exec(headers.authorization ?? '')?.[1] ?? ''
}

function send(outgoing: ServerResponse, { status, body }: Answer, { headers }: IncomingMessage): void {
  outgoing.writeHead(status, { 'content-type': headers['content-type'] ?? 'application/x-amz-json-1.0' })
  outgoing.end(body)
}
