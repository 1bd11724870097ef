import { type CheckedAnswer, Client, type RequestOptions } from '../fixtures/client.ts'
import type { StreamedAnswer } from '../fixtures/streamed-answer.ts'
import type { Ask } from '../http/lacks.ts'
import type { CapabilityName } from './expectation.ts'

/**
 * A client for which a refusal is an error, unless the step said that it expects this one: so nothing can be refused
 * that the capabilities of the broker do not explain.
 */
export class WatchedClient extends Client {
  override async request(method: string, target: string, options: RequestOptions = {}): Promise<CheckedAnswer> {
    const answer = await super.request(method, target, options)
    if (answer.status === 501 || /"code":"unsupported"/.test(answer.text)) throw unexplained(answer)
    return answer
  }

  override async stream(method: string, target: string, options: RequestOptions = {}): Promise<StreamedAnswer> {
    const answer = await super.stream(method, target, options)
    if (answer.status !== 501) return answer
    throw unexplained({ method, target, text: await answer.rest() })
  }

  /** A request that must be refused, by the name of exactly this capability. */
  async refused(capability: CapabilityName, { method, target, ...options }: Ask): Promise<void> {
    const answer = await super.request(method, target, options)
    const { status, text } = answer
    const named = status === 501 ? answer.problem : undefined
    if (named?.code === 'unsupported' && named.capability === capability) return
    throw new Error(`${method} ${target} was to be refused for ${capability}, and is ${status}: ${text.slice(0, 500)}`)
  }
}

function unexplained({ method, target, text }: Pick<CheckedAnswer, 'method' | 'target' | 'text'>): Error {
  return new Error(`The capabilities do not explain that ${method} ${target} is refused: ${text.slice(0, 500)}`)
}
